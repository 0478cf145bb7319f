"""What was left out of the comparison or could not be compared, named and counted."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from harness.agreement.panel.halves import slices
from harness.agreement.panel.panel import SENTENCE, Panel
from harness.agreement.settings import Agreement
from harness.store import schema
from harness.store.files import rows

REFUSED = "refused: "


def marked(scores: pl.LazyFrame) -> pl.DataFrame:
    """Each row without its half scores: how many there are, as pairs or not, and if infinite."""
    halves = [pl.col(half).list.eval(pl.element().is_infinite()).list.any() for half in HALVES]
    infinite = pl.any_horizontal(pl.col("score").is_infinite(), *halves).fill_null(value=False)
    splits, others = (pl.col(half).list.len().fill_null(0) for half in HALVES)
    wanted = scores.select(
        *SENTENCE, "score", infinite=infinite, splits=splits, paired=splits == others
    )
    return pl.concat([wanted.head(0).collect(), *slices(wanted)])


def accepted(
    method: str, rows: pl.DataFrame, traces: pl.DataFrame, cells: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows with their cell, null for those that cannot be compared, and notes on these.

    Refused are scores of unknown traces and sentences, infinite ones, those with half samples of
    another number than elsewhere, and all of a sentence that a method scores twice: nobody knows
    which of them is meant.
    """
    splits = pl.col("splits")
    odd = ~pl.col("paired") | ((splits > 0) & (splits < splits.max()))
    reasons = {
        "its trace is not in the run": pl.col("in_run").is_null(),
        "its sentence is not in the run": pl.col("cell").is_null(),
        "given twice": pl.len().over(SENTENCE) > 1,
        "infinite": pl.col("infinite"),
        "half samples of another number": odd,
    }
    why = pl.coalesce(pl.when(test).then(pl.lit(reason)) for reason, test in reasons.items())
    known = traces.select("trace_id", in_run=pl.lit(value=True))
    checked = (
        rows.join(known, on="trace_id", how="left", maintain_order="left")
        .join(cells.select(*SENTENCE, "cell"), on=SENTENCE, how="left", maintain_order="left")
        .with_columns(reason=why)
    )
    bad = checked.drop_nulls("reason")
    notes = bad.group_by("reason", maintain_order=True).agg(
        count=pl.len(),
        first=pl.format("trace {}, sentence {}", "trace_id", "sentence").first(),
    )
    notes = notes.with_columns(method=pl.lit(method), reason=REFUSED + pl.col("reason"))
    used = pl.when(pl.col("reason").is_null()).then("cell")
    return checked.select("score", "splits", cell=used), _schema(notes)


HALVES = ("half_a", "half_b")


def observed(panel: Panel, table: pl.DataFrame, conf: Agreement) -> pl.DataFrame:
    """Notes on a model's methods and pairs that have nothing to compare."""
    found = [*_methods(panel), *_pairs(panel, table), *_wording(panel, conf)]
    if len(panel.problems) == 1:
        found.append({"reason": "one problem only: nothing can be inferred", "count": 1})
    if conf.weights != "equal":
        reason = f"agreement.weights={conf.weights}: problems count by the information they hold"
        found.append({"reason": reason, "count": len(panel.problems)})
    return rows([{"model": panel.model, **note} for note in found], schema.NOTES)


def _methods(panel: Panel) -> Iterator[dict[str, object]]:
    for name, vectors in panel.methods.items():
        known = np.isfinite(vectors.score)
        trace, score = panel.trace[known], vectors.score[known]
        if not len(score):
            yield {"method": name, "reason": "defined nowhere", "count": len(known)}
            continue
        start = np.flatnonzero(np.diff(trace, prepend=-1))
        spread = np.maximum.reduceat(score, start) - np.minimum.reduceat(score, start)
        if constant := int((spread == 0).sum()):
            yield {"method": name, "reason": "constant in a trace, left out", "count": constant}


def _pairs(panel: Panel, table: pl.DataFrame) -> Iterator[dict[str, object]]:
    raw = table.filter((pl.col("statistic") == "spearman") & (pl.col("control") == "none"))
    for row in raw.iter_rows(named=True):
        pair: dict[str, object] = {
            "method": row["a"],
            "other": row["b"],
            "count": row["n_sentences"],
        }
        lacking = [m for m in (row["a"], row["b"]) if not panel.methods[m].splits]
        if row["cross_fit"] and lacking:
            yield pair | {"reason": "share rollouts, but have no scores of half samples to compare"}
        elif not row["n_sentences"]:
            yield pair | {"reason": "no sentence in common"}


def _wording(panel: Panel, conf: Agreement) -> Iterator[dict[str, object]]:
    """What the wording control does without."""
    if not {"wording", "all"} & set(conf.controls):
        return
    for name in conf.wording:
        score = panel.methods[name].score if name in panel.methods else np.full(panel.size, np.nan)
        lacking = int(np.isnan(score).sum())
        reason = "undefined: left out under the wording control"
        if lacking == panel.size:
            reason = "no scores: the wording control goes without it"
        if lacking:
            yield {"method": name, "reason": reason, "count": lacking}


def _schema(notes: pl.DataFrame) -> pl.DataFrame:
    empty = pl.DataFrame(schema=dict(schema.NOTES))
    return pl.concat([empty, notes.cast({"count": pl.Int64})], how="diagonal")


def lines(notes: pl.DataFrame) -> list[str]:
    """The refusals, a line each."""
    refused = notes.filter(pl.col("reason").str.starts_with(REFUSED))
    return [
        f"scores of {row['method']}: {row['count']} {row['reason']} (first: {row['first']})"
        for row in refused.iter_rows(named=True)
    ]
