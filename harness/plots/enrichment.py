"""Which kinds of sentences each method picks more often than there are of them."""

import math
from collections.abc import Mapping
from textwrap import wrap

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.plots.families import key, paint, palette
from harness.plots.style import (
    EDGE,
    GREY,
    LINE,
    Margins,
    caption,
    drawable,
    drawn_on,
    inches,
    label,
    panels,
)

MOST, COLUMNS = 10, 2
ROW = 0.1  # inches


def strongest(enrichment: pl.DataFrame) -> pl.DataFrame:
    """The rows of the methods with the largest mean |value|, those first: method, category, …"""
    known = enrichment.filter(pl.col("value").is_finite())
    size = pl.col("value").abs().mean().over("method")
    order = known.sort(size, descending=True, maintain_order=True)
    kept = order["method"].unique(maintain_order=True).head(MOST).to_list()
    return order.filter(pl.col("method").is_in(kept)).drop("model")


def figure(rows: pl.DataFrame, families: Mapping[str, str], total: int) -> Figure:
    """A panel a category, in it a dot a method: log2 of its share among the top tenth over all.

    rows: as `strongest` gives them; `total` is how many methods there were.
    """
    names = rows["method"].unique(maintain_order=True).to_list()
    parts = dict(rows.group_by("category", maintain_order=True))
    left = inches(label(name) for name in names) + 2 * EDGE
    margins = Margins(left, 0.1, 0.26, 0.2 + 3 * LINE)
    drawn = panels(len(parts), COLUMNS, ROW * len(names) + 0.05, margins, 0.3)
    span = 1.05 * max(
        [1.0, *(abs(v) for c in ("value", "low", "high") for v in rows[c] if finite(v))]
    )
    for axes, ((category,), part) in zip(drawn, parts.items(), strict=True):
        dots(axes, part, names, families)
        axes.set_title("\n".join(wrap(drawable(str(category)).replace("_", " "), 15)[:2]))
        axes.set(xlim=(-span, span), yticks=range(len(names)), ylim=(len(names) - 0.4, -0.6))
        axes.set_yticklabels([label(name) for name in names])
    for axes in drawn[::COLUMNS]:
        paint(axes.get_yticklabels(), names, families)
    made = drawn_on(drawn[0])
    few = f"the {len(names)} methods of {total} with the largest; " if len(names) < total else ""
    key(made, names, families, EDGE + 2 * LINE)
    caption(
        made, ["log2 of the share among the top tenth over that among all", few + "line: interval"]
    )
    return made


def finite(value: float | None) -> bool:
    """Whether there is a number."""
    return value is not None and math.isfinite(value)


def dots(axes: Axes, part: pl.DataFrame, names: list[str], families: Mapping[str, str]) -> None:
    """The methods of one category with their intervals."""
    of = palette(families)
    axes.axvline(0, color=GREY, lw=0.4)
    y = [names.index(name) for name in part["method"]]
    shades = [of[families[name]] for name in part["method"]]
    axes.hlines(y, part["low"].to_numpy(), part["high"].to_numpy(), color=shades, lw=0.8)
    axes.scatter(part["value"].to_numpy(), y, s=7, c=shades, linewidths=0, zorder=3)
    axes.tick_params(axis="y", length=0)
