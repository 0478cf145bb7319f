"""Agreement of single pairs with intervals, raw above controlled."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report.findings import statistic_of
from harness.report.plots.colours import SERIES
from harness.report.plots.selection import selection
from harness.report.plots.style import (
    EDGE,
    FAINT,
    GREY,
    INK,
    Margins,
    canvas,
    caption,
    controlled,
    heading,
    inches,
    label,
    scale,
)
from harness.report.source import RAW

MOST = 30
PITCH = 0.24  # inches a pair
FEW = 10  # problems below which each one is a dot
RAISED = 0.2  # raw above the middle of a pair's row, controlled as far below it


def points(by_problem: pl.DataFrame, rows: pl.DataFrame, control: str) -> pl.DataFrame:
    """The problems behind the pairs of `rows` that have fewer than ten: a, b, control, value."""
    few = rows.filter(pl.col("n_problems") < FEW).select("a", "b")
    wanted = pl.col("control").is_in([RAW, control])
    found = by_problem.filter(wanted, statistic=statistic_of(by_problem)).join(
        few, on=["a", "b"], how="semi"
    )
    return found.select("a", "b", "control", "value").drop_nulls()


def figure(rows: pl.DataFrame, dots: pl.DataFrame, control: str, total: int) -> Figure:
    """Pairs downwards: interval and value, a tick at the ceiling, a dot a problem where few.

    rows: as `pairs.informative` gives them; `total` is how many pairs there were.
    """
    names = [f"{label(a)}\n~ {label(b)}" for a, b in rows.select("a", "b").iter_rows()]
    left = inches(line for name in names for line in name.split("\n")) + 2 * EDGE
    made, axes = canvas(PITCH * len(rows), Margins(left, 0.1, 0.2, 0.45))
    axes.axvline(0, color=GREY, lw=0.4)
    at = {pair: i for i, pair in enumerate(rows.select("a", "b").iter_rows())}
    for name, end, colour, up in (
        (RAW, "", GREY, -RAISED),
        (control, "_controlled", SERIES, RAISED),
    ):
        part = dots.filter(pl.col("control") == name)
        y = [at[pair] + up for pair in part.select("a", "b").iter_rows()]
        axes.plot(part["value"], y, "o", ms=2, mew=0, color=colour, alpha=0.4)
        intervals(axes, rows, end, up, colour)
    axes.hlines([y - 0.5 for y in range(1, len(names))], -1.02, 1.02, color=FAINT, lw=0.4, zorder=0)
    axes.set(yticks=range(len(names)), ylim=(len(names) - 0.5, -0.5), xlim=(-1.02, 1.02))
    axes.set_yticklabels(names, linespacing=1.1)
    axes.tick_params(axis="y", length=0)
    axes.set(xticks=[-1, -0.5, 0, 0.5, 1], xlabel=scale(rows))
    heading(made, selection(rows, total))
    tick = " · tick: ceiling" if rows["ceiling"].count() else ""
    dot = " · dot: a problem" if len(dots) else ""
    caption(made, [f"open: raw · filled: {controlled(control)}{tick}{dot}"])
    return made


def intervals(axes: Axes, rows: pl.DataFrame, end: str, up: float, colour: str) -> None:
    """Value, interval and ceiling of every row."""
    y = [i + up for i in range(len(rows))]
    low, value, high, top = (
        rows[key + end].cast(pl.Float64).to_numpy() for key in ("low", "value", "high", "ceiling")
    )
    axes.hlines(y, low, high, color=colour, lw=1)
    axes.plot(value, y, "o", ms=3.2, color=colour, mfc=colour if end else "white", mew=0.8)
    axes.plot(top, y, "|", ms=5, color=INK, mew=0.8)
