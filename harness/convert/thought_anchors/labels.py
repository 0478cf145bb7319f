"""How far the rules that label sentences agree with the labels that published traces came with."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from harness.core import UserError
from harness.evidence.asking.labelling import AskedLabels, categories
from harness.store import schema
from harness.store.reading import read_frame
from harness.text.categories import Labels, kappa

# The published traces that the rules in conf/labels were written on: problem and outcome.
WRITTEN_ON = ("330#", "1591#", r"2236#.*-correct$")


def kappas(run: Path, labels: Labels | AskedLabels) -> pl.DataFrame:
    """Cohen's kappa of each trace, then pooled over those the rules were written on and the others.

    Columns traces, kappa, n_sentences. The published label of a sentence is its first tag. Raises
    UserError for a run without labels of its own.
    """
    path = run / "sentences.parquet"
    if not path.is_file():
        raise UserError(f"{run}: is no run folder (it holds no sentences.parquet)")
    frame = read_frame(path, schema.SENTENCES, ["trace_id", "sentence", "text", "category"])
    ruled = pl.concat(_ruled(run, frame, labels)).drop_nulls(["category", "ruled"])
    if ruled.is_empty():
        raise UserError(f"{run}: nothing to compare; it takes labelled traces and labels.rules")
    seen = pl.col("trace_id").str.contains("|".join(f"/{which}" for which in WRITTEN_ON))
    half = pl.when(seen).then(pl.lit("rules written on these")).otherwise(pl.lit("held out"))
    return pl.concat([_by(ruled, pl.col("trace_id")), _by(ruled, half)])


def _ruled(
    run: Path, sentences: pl.DataFrame, labels: Labels | AskedLabels
) -> Iterator[pl.DataFrame]:
    """The sentences of each trace with what the rules, or the endpoint, say."""
    for (name,), trace in sentences.sort("sentence").group_by("trace_id", maintain_order=True):
        said = categories(labels, _question(run, str(name)), trace["text"].to_list(), run)
        yield trace.with_columns(pl.Series("ruled", said, dtype=pl.String))


def _question(run: Path, trace_id: str) -> str:
    problems = read_frame(run / "problems.parquet", schema.PROBLEMS, ["problem_id", "question"])
    traces = read_frame(run / "traces.parquet", schema.TRACES, ["trace_id", "problem_id"])
    asked = traces.filter(trace_id=trace_id).join(problems, on="problem_id")["question"]
    return asked[0] if len(asked) else ""


def _by(ruled: pl.DataFrame, key: pl.Expr) -> pl.DataFrame:
    rows = [
        (str(name), kappa(part["ruled"].to_list(), part["category"].to_list()), len(part))
        for (name,), part in ruled.group_by(key.alias("traces"), maintain_order=True)
    ]
    return pl.DataFrame(rows, schema=["traces", "kappa", "n_sentences"], orient="row")


def table(run: Path, labels: Labels | AskedLabels) -> str:
    """The kappas, a line each."""
    rows = kappas(run, labels).iter_rows()
    return "\n".join(f"{value:6.3f}  {n:5d} sentences  {name}" for name, value, n in rows)
