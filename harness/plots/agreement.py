"""Heat map of the agreement of every two methods."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from harness.plots.families import key, paint
from harness.plots.source import BASELINE, RAW
from harness.plots.style import (
    DIVERGING,
    EDGE,
    FAINT,
    GREY,
    INK,
    LINE,
    ONE_COLUMN,
    Margins,
    canvas,
    caption,
    controlled,
    decimal,
    hatched,
    inches,
    label,
    places,
)

# Inches: the widest cell, the narrowest that holds a number, the narrowest under a name of its own.
WIDEST, WRITTEN, NAMED = 0.42, 0.21, 0.085
BOTTOM = 0.74


def correlations(agreement: pl.DataFrame, control: str) -> pl.DataFrame:
    """The rows of the agreement frame that are drawn: Spearman, raw and under one control."""
    drawn = (pl.col("statistic") == "spearman") & pl.col("control").is_in([RAW, control])
    columns = ["a", "b", "control", "value", "low", "high", "ceiling", "n_problems"]
    return agreement.filter(drawn).select(columns).fill_nan(None)


def known(rows: pl.DataFrame, families: Mapping[str, str]) -> list[str]:
    """The methods that any row compares; of the baselines only those that have any value."""
    compared, valued = ({*part["a"], *part["b"]} for part in (rows, rows.drop_nulls("value")))
    return [n for n, of in families.items() if n in (valued if of == BASELINE else compared)]


def figure(
    rows: pl.DataFrame, groups: Sequence[Sequence[str]], families: Mapping[str, str], control: str
) -> Figure:
    """Methods × methods, raw above the diagonal and controlled below, colour from -1 to 1.

    The side of a square is the pair's ceiling, where that is known. A hatched cell was compared
    and has no value; an empty one was not compared. Many methods are numbered.
    """
    at = places(*groups)
    names, cell = columns([label(name) for name in at], max(at.values(), default=0) + 1)
    numbered = cell < NAMED
    left, above = inches(names) + 2 * EDGE, 0.25 if numbered else inches(names) + 2 * EDGE
    side = cell * (max(at.values(), default=0) + 1)
    made, axes = canvas(
        max(side, LINE * len(at)), Margins(left, ONE_COLUMN - left - side, above, BOTTOM)
    )
    drawn = pl.col("a").is_in(list(at)) & pl.col("b").is_in(list(at))
    cells(axes, at, rows.filter(drawn), written=cell >= WRITTEN)
    write_names(axes, at, names, numbered=numbered)
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        paint(ticks, list(at), families)
    key(made, at, families, EDGE + 2 * LINE)
    legend(made)
    ceiling = "side of a square: its ceiling · " if rows["ceiling"].count() else ""
    triangles = f"above the diagonal raw, below it {controlled(control)}"
    caption(made, [triangles, f"{ceiling}hatched: undefined"])
    return made


def columns(names: list[str], count: float) -> tuple[list[str], float]:
    """The names, numbered if `count` columns are too narrow to bear them, and a cell's width."""
    width = (ONE_COLUMN - inches(names) - 3 * EDGE) / count
    if width >= NAMED:
        return names, min(WIDEST, width)
    numbered = [f"{name} {i}" for i, name in enumerate(names, 1)]
    return numbered, (ONE_COLUMN - inches(numbered) - 3 * EDGE) / count


def cells(axes: Axes, at: Mapping[str, float], rows: pl.DataFrame, *, written: bool) -> None:
    """A coloured square for each row, its value in it if there is room; the diagonal faint."""
    squares = [Rectangle((p, p), 1, 1) for p in at.values()]
    shades = [mpl.colors.to_rgba(FAINT) for _ in squares]
    undefined: list[tuple[float, float]] = []
    for row in rows.iter_rows(named=True):
        x, y = sorted((at[row["a"]], at[row["b"]]), reverse=row["control"] == RAW)
        value, side = row["value"], 1.0 if row["ceiling"] is None else min(1.0, row["ceiling"])
        if value is None:
            undefined.append((x, y))
            continue
        squares.append(Rectangle((x + (1 - side) / 2, y + (1 - side) / 2), side, side))
        shades.append(mpl.colormaps[DIVERGING]((value + 1) / 2))
        if written:
            ink = "white" if abs(value) > 0.6 and side > 0.6 else INK
            axes.text(x + 0.5, y + 0.5, decimal(value), ha="center", va="center", color=ink)
    axes.add_collection(PatchCollection(squares, facecolor=shades, edgecolor="white", lw=0.4))
    hatched(axes, undefined)


def write_names(
    axes: Axes, at: Mapping[str, float], names: Sequence[str], *, numbered: bool
) -> None:
    """Names at the left and above, or above only their numbers, every other one raised."""
    middles, end = [p + 0.5 for p in at.values()], max(at.values(), default=0) + 1
    axes.set(xticks=middles, yticks=middles, xlim=(0, end), ylim=(end, 0))
    numbers = [f"{i}" if i % 2 else f"{i}\n" for i in range(1, len(names) + 1)]
    axes.set_xticklabels(numbers if numbered else names, rotation=0 if numbered else 90)
    axes.set_yticklabels(names)
    axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)


def legend(figure: Figure) -> None:
    """The colour bar and what it measures."""
    scale = ScalarMappable(Normalize(-1, 1), mpl.colormaps[DIVERGING])
    height = figure.get_figheight()
    place = (3 * EDGE / ONE_COLUMN, 0.52 / height, 1 / ONE_COLUMN, 0.06 / height)
    bar = figure.colorbar(
        scale, cax=figure.add_axes(place), orientation="horizontal", ticks=[-1, 0, 1]
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(color=GREY)
    figure.text(1.25 / ONE_COLUMN, 0.55 / height, "mean Spearman within a trace", va="center")
