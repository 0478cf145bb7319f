"""What validations found, in a line each."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.interventions.validation.job import Outcome

WIDE = 160  # characters, where nobody says how many


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print the table."""
    if not console.is_terminal:
        console.width = WIDE
    console.print(table(outcomes))


def table(outcomes: Sequence[Outcome]) -> Table:
    """A row a validation: its first effect, or why there is none; all are in its summary."""
    found = Table("validation", "effect", "value", "interval", "problems", "")
    for outcome in outcomes:
        if outcome.summary is None or outcome.summary.is_empty():
            found.add_row(outcome.name, *[""] * 4, Text(outcome.reason))
            continue
        row, methods = headline(outcome.summary)
        more = f"{len(outcome.summary)} rows in validate/{outcome.name}_summary.parquet"
        if row["value"] is None:
            told = ("", "", str(row["n_problems"]), row["reason"] or "undefined")
        else:
            ends = "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
            told = (f"{row['value']:.3f}", ends, str(row["n_problems"]), more)
        found.add_row(*map(Text, (outcome.name, effect(row, methods), *told)))
    return found


def headline(summary: pl.DataFrame) -> tuple[Mapping[str, Any], int]:
    """The effect that stands first, and of how many methods it is the highest.

    Of a curve its last place, of several methods the one with the highest value.
    """
    known = summary.fill_nan(None)
    first = known.row(0, named=True)
    same = (pl.col(name).eq_missing(pl.lit(first[name])) for name in ("part", "measure"))
    alike = known.filter(*same).drop_nulls("value")
    if alike.is_empty():
        return first, 0
    last = alike.filter(pl.col("at").eq_missing(pl.col("at").max()))
    best = last.sort("value", descending=True, maintain_order=True).row(0, named=True)
    return best, last["method"].n_unique()


def effect(row: Mapping[str, Any], methods: int) -> str:
    """What was done and measured, with the method and the place on a curve."""
    at = "" if row["at"] is None else f" at {row['at']:g}"
    found = ", ".join(filter(None, (row["part"], f"{row['measure']}{at}", row["method"])))
    return f"{found} (highest of {methods})" if methods > 1 else found
