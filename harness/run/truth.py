"""The truth about a run's traces, where its problems know it, kept beside what is measured."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from harness.core import Trace
from harness.core.truth import NAME, Planted, Truth
from harness.evidence.requests import Recorder
from harness.store import schema
from harness.store.files import rows, write_frame
from harness.store.scores import ScoreFile


def export(recorder: Recorder, traces: Sequence[Trace], sentences: pl.DataFrame) -> pl.DataFrame:
    """Keep the truth as scores and edges of the run; returns the sentences with kinds and truth.

    Kinds are the categories, too, and a trace without truth then has none: the functions that rules
    give are other names. Nothing is kept, and the sentences stay as they are, where the problems
    know no truth.
    """
    problems, sampling = recorder.problems, recorder.sampling
    if not isinstance(problems, Planted):
        return sentences
    weights = Path(recorder.subject.path)
    answers = {
        t.id: problems.truth(t, weights, sampling.temperature, sampling.top_p) for t in traces
    }
    found = {name: truth for name, truth in answers.items() if isinstance(truth, Truth)}
    without = Counter(reason for reason in answers.values() if isinstance(reason, str))
    _scores(recorder.run, found, without)
    edges = [
        {"trace_id": name, "source": i, "target": j, "kind": kind}
        for name, truth in found.items()
        for i, j, kind in truth.edges
    ]
    write_frame(recorder.run / "matrices" / "edges.parquet", rows(edges, schema.EDGES))
    known = sentences.join(_columns(found), on=["trace_id", "sentence"], how="left")
    return known.with_columns(category="kind") if found else known


def _scores(run: Path, found: Mapping[str, Truth], without: Mapping[str, int]) -> None:
    """The exact total variation as the scores of a method; other importances beside it."""
    status = {"family": NAME, "signed": False, "undefined": dict(without)}
    score_file = ScoreFile(run, NAME, "", {}, status)
    for name, truth in found.items():
        nothing = pl.Series([[]] * len(truth.kinds), dtype=pl.List(pl.Float64))
        columns = {"score": truth.exact["tv"], "half_a": nothing, "half_b": nothing}
        frame = pl.DataFrame({**columns, **truth.exact}).with_row_index("sentence")
        place = [pl.lit(name).alias("trace_id"), pl.col("sentence").cast(pl.Int32)]
        score_file.frames[name] = frame.select(*place, pl.exclude("sentence"))
    score_file.write("done")


def _columns(found: Mapping[str, Truth]) -> pl.DataFrame:
    """Kind and exact importances by sentence."""
    parts = [
        pl.DataFrame({"kind": truth.kinds, "planted": truth.planted, **_exact(truth)})
        .with_row_index("sentence")
        .select(
            pl.lit(name).alias("trace_id"),
            pl.col("sentence").cast(pl.Int32),
            pl.exclude("sentence"),
        )
        for name, truth in found.items()
    ]
    return pl.concat([pl.DataFrame(schema=dict(schema.TRUTH)), *parts], how="diagonal_relaxed")


def _exact(truth: Truth) -> dict[str, object]:
    return {f"exact_{name}": values for name, values in truth.exact.items()}
