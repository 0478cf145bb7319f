"""Agreement of the highest sentences against how many of them are taken."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report.plots.colours import SERIES
from harness.report.plots.style import (
    EDGE,
    FAINT,
    GREY,
    Margins,
    drawn_on,
    heading,
    label,
    panels,
    width,
)

MOST, COLUMNS = 12, 3


def curves(by_k: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The curves of the pairs of `rows`, in their order: a, b, fraction, value, low, high."""
    pairs = rows.select("a", "b")
    columns = ["a", "b", "fraction", "value", "low", "high"]
    found = pairs.join(by_k.sort("fraction"), on=["a", "b"], maintain_order="left_right")
    return found.select(columns).drop_nulls("value")


def figure(curves: pl.DataFrame, shown: str) -> Figure:
    """One small panel a pair, the others faint behind it, intervals as bands.

    `shown` says which pairs these are.
    """
    parts = dict(curves.group_by("a", "b", maintain_order=True))
    drawn = panels(len(parts), COLUMNS, 0.62, Margins(0.38, 0.08, 0.4, 0.28), 0.3)
    low = min([0.0, *curves["value"], *curves["low"].drop_nulls()])
    high = max([*curves["value"], *curves["high"].drop_nulls()])
    for axes, ((a, b), part) in zip(drawn, parts.items(), strict=True):
        for other in parts.values():
            axes.plot(100 * other["fraction"], other["value"], color=FAINT, lw=0.5, zorder=1)
        curve(axes, part)
        room = width(axes) - EDGE
        axes.set_title(f"{label(str(a), room)}\n~ {label(str(b), room)}", linespacing=1.1)
        axes.set(xlim=(0, 105 * max(curves["fraction"])), ylim=(low - 0.05, high + 0.05))
    made = drawn_on(drawn[0])
    made.supxlabel("share of the sentences taken, %", y=0, va="bottom", fontsize="medium")
    made.supylabel("agreement", x=0, ha="left", fontsize="medium")
    heading(made, shown)
    return made


def curve(axes: Axes, part: pl.DataFrame) -> None:
    """Values and band of one pair, beside 0."""
    x = 100 * part["fraction"]
    axes.axhline(0, color=GREY, lw=0.4, ls=(0, (2, 2)), zorder=2)
    banded = part.drop_nulls(["low", "high"])
    axes.fill_between(
        100 * banded["fraction"], banded["low"], banded["high"], color=SERIES, alpha=0.18, lw=0
    )
    axes.plot(x, part["value"], "o-", color=SERIES, lw=1.2, ms=2, zorder=4)
