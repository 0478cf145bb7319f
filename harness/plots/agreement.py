"""Heat map of the agreement of every two methods."""

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from harness.plots.style import (
    DIVERGING,
    FAINT,
    GAP,
    GREY,
    INK,
    ONE_COLUMN,
    decimal,
    drawable,
    hatched,
    interval,
    places,
)

CELL = 0.42  # inches
RAW, CONTROLLED = "none", "position"


def correlations(agreement: pl.DataFrame) -> pl.DataFrame:
    """The rows of the agreement frame that are drawn: Spearman, raw and position-controlled."""
    drawn = (pl.col("statistic") == "spearman") & pl.col("control").is_in([RAW, CONTROLLED])
    columns = ["a", "b", "control", "value", "low", "high", "n_problems"]
    return agreement.filter(drawn).select(columns).fill_nan(None)


def figure(rows: pl.DataFrame, detectors: list[str], baselines: list[str]) -> Figure:
    """Methods × methods, raw above the diagonal and position-controlled below, colour from -1 to 1.

    A hatched cell was compared and has no value; an empty one was not compared.
    """
    at = places(compared(rows, detectors), known(rows, baselines))
    side = CELL * (len(at) + GAP)
    figure = Figure(
        figsize=(max(ONE_COLUMN, side + 1.0), max(2.2, side + 1.5)), layout="constrained"
    )
    axes = figure.subplots()
    has_intervals = rows["low"].count() > 0
    drawn = pl.col("a").is_in(list(at)) & pl.col("b").is_in(list(at))
    for row in rows.filter(drawn).iter_rows(named=True):
        x, y = sorted((at[row["a"]], at[row["b"]]), reverse=row["control"] == RAW)
        cell(axes, x, y, row["value"])
        write(axes, x, y, row, has_intervals)
    furnish(axes, at)
    legend(figure, axes, has_intervals)
    return figure


def compared(rows: pl.DataFrame, methods: list[str]) -> list[str]:
    """Those of the methods that any row compares."""
    return [name for name in methods if name in {*rows["a"], *rows["b"]}]


def known(rows: pl.DataFrame, baselines: list[str]) -> list[str]:
    """The baselines that have any value: one that lacked its evidence is no row of the figure."""
    return compared(rows.drop_nulls("value"), baselines)


def cell(axes: Axes, x: float, y: float, value: float | None) -> None:
    """One coloured square, hatched grey where the value is undefined."""
    if value is None:
        hatched(axes, x, y)
        return
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor=colour(value), edgecolor="white", lw=0.8))


def write(axes: Axes, x: float, y: float, row: dict[str, object], has_intervals: bool) -> None:
    """The value, and under it the interval in small type if any pair of the figure has one."""
    value, low, high = (row[key] for key in ("value", "low", "high"))
    assert isinstance(value, float | None)
    assert isinstance(low, float | None)
    assert isinstance(high, float | None)
    ink = "white" if value is not None and abs(value) > 0.6 else INK
    above = 0.38 if has_intervals and value is not None else 0.5
    axes.text(x + 0.5, y + above, decimal(value), ha="center", va="center", color=ink, fontsize=7)
    if has_intervals and value is not None:
        small = interval(low, high)
        axes.text(x + 0.5, y + 0.74, small, ha="center", va="center", color=ink, fontsize=3.7)


def colour(value: float) -> tuple[float, float, float, float]:
    """The diverging map at a correlation, white at 0."""
    return mpl.colormaps[DIVERGING]((value + 1) / 2)


def furnish(axes: Axes, at: dict[str, float]) -> None:
    """Names along both edges, the diagonal, no spines."""
    middles, names = [p + 0.5 for p in at.values()], [drawable(name) for name in at]
    for p in at.values():
        axes.add_patch(Rectangle((p, p), 1, 1, facecolor=FAINT, edgecolor="white", lw=0.8))
    axes.set(xticks=middles, yticks=middles, aspect="equal")
    axes.set_xticklabels(names, rotation=45, ha="left", rotation_mode="anchor")
    axes.set_yticklabels(names)
    axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    end = max(at.values(), default=0) + 1
    axes.set(xlim=(0, end), ylim=(end, 0))
    axes.spines[:].set_visible(False)


def legend(figure: Figure, axes: Axes, has_intervals: bool) -> None:
    """The colour bar, and what the two triangles hold."""
    scale = ScalarMappable(Normalize(-1, 1), mpl.colormaps[DIVERGING])
    bar = figure.colorbar(
        scale, ax=axes, orientation="horizontal", shrink=0.5, aspect=30, pad=0.02, ticks=[-1, 0, 1]
    )
    bar.outline.set_visible(False)
    below = "interval in small type" if has_intervals else "no intervals: too few problems"
    bar.set_label(
        f"within-trace Spearman\nabove the diagonal raw, below it position-controlled\n{below}",
        color=INK,
    )
    bar.ax.tick_params(color=GREY)
