"""Which sentence functions are over-represented among the sentences that each method ranks highest.

Source of the functions: Thought Anchors, arXiv 2506.19143.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from jaxtyping import Float

from harness.agreement import Agreement
from harness.agreement.inference import interval
from harness.store import schema
from harness.store.files import rows

Shares = Float[np.ndarray, " problems"]

TRACE = ["model", "method", "problem_id", "trace_id"]


def enrichment(
    scores: pl.DataFrame, sentences: pl.DataFrame, signed: Mapping[str, bool], conf: Agreement
) -> pl.DataFrame:
    """The frame schema.ENRICHMENT: log2 of a category's share of the top over its share of all.

    `scores`: model, problem_id, trace_id, sentence, method, score (higher = more of an anchor, NaN
    = undefined, the size of signed ones counts); `sentences`: trace_id, sentence, category. Shares
    are taken within traces among the sentences with a score, then averaged over the traces of a
    problem and over the problems that have the category. Positive = over-represented; null where
    the category never is among the top. A trace whose scores are all equal ranks nothing and is
    left out. `n_sentences` counts those of the category.
    """
    placed = top(scores, signed, conf.top_fraction).join(
        sentences.select("trace_id", "sentence", "category"), on=["trace_id", "sentence"]
    )
    found = [
        {"model": model, "method": method, **row}
        for (model, method), part in placed.group_by("model", "method", maintain_order=True)
        for row in _categories(part, conf)
    ]
    return rows(found, schema.ENRICHMENT).fill_nan(None)


def top(scores: pl.DataFrame, signed: Mapping[str, bool], fraction: float) -> pl.DataFrame:
    """The scored sentences with `top`, the probability of being among a trace's highest.

    Of n scored sentences k = max(1, round(fraction · n)) are at the top; sentences that tie at the
    edge share the places that are left.
    """
    sized = pl.col("method").is_in([name for name, has in signed.items() if has])
    size = pl.when(sized).then(pl.col("score").abs()).otherwise("score").alias("score")
    defined = scores.filter(pl.col("score").is_not_nan()).with_columns(size)
    ranking = defined.filter(pl.col("score").n_unique().over(TRACE) > 1)
    k = (fraction * pl.len()).round().clip(lower_bound=1).over(TRACE)
    above = pl.col("score").rank("min", descending=True).over(TRACE) - 1.0
    tied = pl.len().over([*TRACE, "score"])
    return ranking.with_columns(((k - above) / tied).clip(0, 1).alias("top"))


def _categories(part: pl.DataFrame, conf: Agreement) -> list[dict[str, object]]:
    """The rows of one method, most over-represented categories first."""
    found: list[tuple[float, dict[str, object]]] = []
    for category in part["category"].drop_nulls().unique().sort():
        of, every = shares(part, category)
        value, low, high = log_ratio(of, every, conf)
        row: dict[str, object] = {"category": category, "value": value, "low": low, "high": high}
        row["n_problems"] = len(every)
        row["n_sentences"] = int((part["category"] == category).sum())
        found.append((np.inf if np.isnan(value) else -value, row))
    return [row for _, row in sorted(found, key=lambda pair: pair[0])]


def shares(part: pl.DataFrame, category: str) -> tuple[Shares, Shares]:
    """A category's share of the top and of all, by problem, where the problem has the category."""
    of = (pl.col("category") == category).fill_null(False)
    by_trace = part.group_by("problem_id", "trace_id", maintain_order=True).agg(
        ((of * pl.col("top")).sum() / pl.col("top").sum()).alias("top"), of.mean().alias("all")
    )
    means = by_trace.group_by("problem_id", maintain_order=True).agg(pl.col("top", "all").mean())
    known = means.filter(pl.col("all") > 0)
    return known["top"].to_numpy(), known["all"].to_numpy()


def log_ratio(top: Shares, every: Shares, conf: Agreement) -> tuple[float, float, float]:
    """log2 of the ratio of two means over problems, with its interval; NaN where `top` is all 0.

    The interval is that of a mean: of what each problem adds to the linearised logarithm.
    """
    if not top.any():
        return np.nan, np.nan, np.nan
    mean, base = top.mean(), every.mean()
    value = np.log2(mean / base)
    return float(value), *interval(value + (top / mean - every / base) / np.log(2), conf)
