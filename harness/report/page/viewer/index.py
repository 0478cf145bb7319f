"""The traces as the page's viewer reads them: an index, then two chunks a trace."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from harness.report.page.viewer.details import Gathered
from harness.report.page.viewer.payload import Payload, clean
from harness.report.plots.ranks import with_ranks
from harness.report.source import Source

LEVELS = "abcdefghijkl"  # shades of a cell, lowest first; a capital is among the top tenth
KEY = ["trace_id", "sentence"]


def index(
    run: Path, source: Source, order: Sequence[str], judges: Collection[str], payload: Payload
) -> dict[str, Any]:
    """Keep every trace in the payload; returns what finds and filters them.

    The texts and shades of all traces come first, so that they lie in the page. The methods that
    have any score come in this order; `judges` are those among which disagreement is measured.
    """
    there = set(source.scores.drop_nulls("score")["method"])
    methods = [method for method in order if method in there]
    sentences = labelled(source.sentences).join(heat(source, methods, judges), KEY, how="left")
    sentences = sentences.sort(KEY)
    parts = sentences.partition_by("trace_id", as_dict=True)
    labels = sentences["label"].drop_nulls().unique().sort().to_list()
    problems = {row["problem_id"]: row for row in source.problems.iter_rows(named=True)}
    found: list[dict[str, Any]] = []
    for trace in source.traces.iter_rows(named=True):
        part = parts.get((trace["trace_id"],), sentences.clear())
        at = payload.add(core(part, problems.get(trace["problem_id"], {})))
        found.append(entry(trace, part, labels) | {"core": at})
    gathered = Gathered(run, source, methods)
    for trace, listed in zip(source.traces.iter_rows(named=True), found, strict=True):
        listed["evidence"] = payload.add(gathered.of(trace))
    return {"methods": methods, "labels": labels, "traces": found}


def labelled(sentences: pl.DataFrame) -> pl.DataFrame:
    """The sentences with the label to filter by: the category, else the planted kind."""
    names = [name for name in ("category", "kind") if name in sentences.columns]
    return sentences.with_columns(clean(pl.col("text")), label=pl.coalesce(names))


def heat(source: Source, methods: Sequence[str], judges: Collection[str]) -> pl.DataFrame:
    """By sentence: `marks`, a letter a method, and `disagreement` from 0 to 99.

    A mark shades the rank within the trace, "-" = undefined. Disagreement is the standard deviation
    of the judges' ranks, 99 = half of them highest and half lowest; null below two judges.
    """
    ranked = with_ranks(source.scores)
    level = (pl.col("rank") * len(LEVELS)).floor().clip(0, len(LEVELS) - 1).cast(pl.Int64)
    code = level + pl.when("top").then(len(LEVELS)).otherwise(0)
    letters = list(LEVELS + LEVELS.upper())
    mark = code.replace_strict(range(len(letters)), letters, return_dtype=pl.String)
    shaded = ranked.with_columns(mark=mark.fill_null("-"))
    wide = shaded.pivot("method", on_columns=list(methods), index=KEY, values="mark")
    marks = pl.concat_str(pl.lit(""), *(pl.col(m).fill_null("-") for m in methods))
    return wide.select(*KEY, marks=marks).join(spread(ranked, judges), KEY, how="left")


def spread(ranked: pl.DataFrame, judges: Collection[str]) -> pl.DataFrame:
    """The `disagreement` of every sentence."""
    rank = pl.col("rank")
    found = ranked.filter(pl.col("method").is_in(list(judges))).group_by(KEY)
    spread = (rank.std(ddof=0) * 198).round().clip(0, 99).cast(pl.Int32)
    return found.agg(disagreement=pl.when(rank.count() > 1).then(spread))


def core(sentences: pl.DataFrame, problem: Mapping[str, Any]) -> dict[str, Any]:
    """What the list shows of a trace."""
    columns = [
        c for c in ("text", "marks", "category", "kind", "planted") if c in sentences.columns
    ]
    asked = {key: problem.get(key) for key in ("question", "answer")}
    return asked | {name: sentences[name].to_list() for name in columns}


def entry(trace: Mapping[str, Any], part: pl.DataFrame, labels: Sequence[str]) -> dict[str, Any]:
    """A trace in the index: what it is, and label and disagreement of its sentences."""
    number = {name: i for i, name in enumerate(labels)}
    return {
        **{key: trace[key] for key in ("trace_id", "problem_id", "model", "answer", "correct")},
        "labels": [number.get(label, -1) for label in part["label"]],
        "disagreement": [-1 if d is None else d for d in part["disagreement"]],
    }
