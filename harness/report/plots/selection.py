"""Pairs of methods, raw beside controlled, and those among them that tell most."""

from collections.abc import Collection

import polars as pl

from harness.report.findings import statistic_of
from harness.report.source import RAW

VALUES = ("value", "low", "high", "ceiling", "n_problems")


def pairs(agreement: pl.DataFrame, control: str) -> pl.DataFrame:
    """One row a pair: a, b, statistic, VALUES of it raw, then VALUES ending in `_controlled`.

    The statistic is the one that the page's sentences give.
    """
    part = agreement.filter(statistic=statistic_of(agreement)).fill_nan(None)
    raw, controlled = (
        part.filter(control=name).select("a", "b", "statistic", *VALUES) for name in (RAW, control)
    )
    return raw.join(
        controlled.drop("statistic"),
        on=["a", "b"],
        how="left",
        suffix="_controlled",
        maintain_order="left",
    )


def among(rows: pl.DataFrame, methods: Collection[str]) -> pl.DataFrame:
    """The rows that compare two of these methods and have a value."""
    both = pl.col("a").is_in(list(methods)) & pl.col("b").is_in(list(methods))
    return rows.filter(both, pl.col("value").is_not_null())


def informative(rows: pl.DataFrame, most: int) -> pl.DataFrame:
    """At most so many rows of `pairs`, strongest controlled agreement first.

    Those with the narrowest controlled intervals are kept: a pair is known well whether it agrees
    or not. Without intervals those with most problems.
    """
    width = pl.col("high_controlled") - pl.col("low_controlled")
    problems = pl.col("n_problems_controlled")
    known = rows.sort(width, -problems.cast(pl.Int64), nulls_last=True, maintain_order=True)
    order = ["value_controlled", "value"]
    return known.head(most).sort(order, descending=True, nulls_last=True, maintain_order=True)


def selection(kept: pl.DataFrame, total: int) -> str:
    """How `informative` came to keep these of so many rows, in words."""
    if len(kept) == total:
        return "all pairs"
    by = "narrowest intervals" if kept["low_controlled"].count() else "most problems"
    return f"{len(kept)} of {total} pairs: those with the {by}"
