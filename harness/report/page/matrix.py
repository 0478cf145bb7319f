"""The agreement frame as the page's switchable matrix reads it."""

from collections.abc import Sequence
from typing import Any

import polars as pl
import polars.selectors as cs

from harness.report.page.viewer.payload import short

NUMBERS = (
    *("value", "low", "high", "q", "ceiling", "verdict_ceiling", "share"),
    *("disattenuated", "disattenuated_low", "disattenuated_high"),
)
NAMED = ("statistic", "control", "verdict", "verdict_beyond_wording")
COUNTS = ("n_problems", "n_traces", "n_sentences", "n_problems_needed")


def matrix(agreement: pl.DataFrame, methods: Sequence[str]) -> dict[str, Any]:
    """Columns of the rows between these methods, and what there is to switch between.

    Methods, models, statistics, controls and verdicts are given by number; -1 = none.
    """
    there = agreement.filter(pl.col("a").is_in(methods) & pl.col("b").is_in(methods))
    compared = {*there["a"], *there["b"]}
    names = {"method": [name for name in methods if name in compared]}
    named = [name for name in ("model", *NAMED) if name in there.columns]
    for name in named:
        names[name] = there[name].drop_nulls().unique(maintain_order=True).to_list()
    rounded = there.with_columns(short(cs.float()))
    columns: dict[str, list[Any]] = {
        key: numbered(there[key], names.get(key, names["method"])) for key in ("a", "b", *named)
    }
    columns |= {key: rounded[key].to_list() for key in NUMBERS if key in there.columns}
    columns |= {key: there[key].to_list() for key in COUNTS if key in there.columns}
    return {"names": names, "rows": columns}


def numbered(values: pl.Series, names: Sequence[str]) -> list[int]:
    """The place of each value among the names, -1 where it is null."""
    place = {name: i for i, name in enumerate(names)}
    return [-1 if value is None else place[value] for value in values]
