"""Heat map of the agreement of every two methods."""

from collections.abc import Mapping, Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report.findings import statistic_of
from harness.report.format import decimal
from harness.report.plots.colours import CHANCE, colour_bar
from harness.report.plots.palette import key, paint
from harness.report.plots.style import (
    EDGE,
    FAINT,
    INK,
    LINE,
    ONE_COLUMN,
    Margins,
    canvas,
    caption,
    controlled,
    hatched,
    inches,
    label,
    places,
    scale,
    squares,
)
from harness.report.source import BASELINE, RAW

# Inches: the widest cell, the narrowest that holds a number, the narrowest under a name of its own.
WIDEST, WRITTEN, NAMED = 0.42, 0.21, 0.085
BOTTOM = 0.74


def correlations(agreement: pl.DataFrame, control: str) -> pl.DataFrame:
    """The rows of the agreement frame that are drawn: one statistic, raw and under one control."""
    drawn = pl.col("control").is_in([RAW, control])
    columns = [
        "a",
        "b",
        "statistic",
        "control",
        "value",
        "low",
        "high",
        "ceiling",
        "n_problems",
        "verdict",
    ]
    part = agreement.filter(drawn, statistic=statistic_of(agreement))
    return part.select(columns).fill_nan(None)


def known(rows: pl.DataFrame, families: Mapping[str, str]) -> list[str]:
    """The methods that any row compares; of the baselines only those that have any value."""
    compared, valued = ({*part["a"], *part["b"]} for part in (rows, rows.drop_nulls("value")))
    return [n for n, of in families.items() if n in (valued if of == BASELINE else compared)]


def figure(
    rows: pl.DataFrame, groups: Sequence[Sequence[str]], families: Mapping[str, str], control: str
) -> Figure:
    """Methods × methods, raw above the diagonal and controlled below, colour from -1 to 1.

    The side of a square is the pair's ceiling, where that is known. A hatched cell was compared
    and has no value; an empty one was not compared, or with what was controlled for. Many methods
    are numbered.
    """
    at = places(*groups)
    names, cell = columns([label(name) for name in at], max(at.values(), default=0) + 1.0)
    numbered = cell < NAMED
    left, above = inches(names) + 2.5 * EDGE, 0.25 if numbered else inches(names) + 2.5 * EDGE
    side = cell * (max(at.values(), default=0) + 1)
    made, axes = canvas(
        max(side, LINE * len(at)), Margins(left, ONE_COLUMN - left - side, above, BOTTOM)
    )
    drawn = pl.col("a").is_in(list(at)) & pl.col("b").is_in(list(at))
    cells(axes, at, without_controls(rows.filter(drawn), families), written=cell >= WRITTEN)
    write_names(axes, at, names, families, numbered=numbered)
    key(made, at, families, EDGE + 2 * LINE)
    ticks = {-1: "−1", 0: "0", 1: "1"}
    colour_bar(made, CHANCE, ticks, (3 * EDGE, 0.52, 1.0), scale(rows))
    ceiling = "side of a square: its ceiling · " if rows["ceiling"].count() else ""
    triangles = f"above the diagonal raw, below it {controlled(control)}"
    caption(made, [triangles, f"{ceiling}hatched: undefined"])
    return made


def without_controls(rows: pl.DataFrame, families: Mapping[str, str]) -> pl.DataFrame:
    """The rows without the controlled ones of methods that the control takes out altogether.

    Of these no pair has a value nor, where others are judged, a verdict.
    """
    under = pl.col("control") != RAW
    valued, judged = (rows.filter(under).drop_nulls(of) for of in ("value", "verdict"))
    left, named = ({*part["a"], *part["b"]} for part in (valued, judged))
    gone = [
        name
        for name, of in families.items()
        if name not in left and (of == BASELINE or (named and name not in named))
    ]
    return rows.filter(~under | ~(pl.col("a").is_in(gone) | pl.col("b").is_in(gone)))


def columns(names: list[str], count: float) -> tuple[list[str], float]:
    """The names, numbered if `count` columns are too narrow to bear them, and a cell's width."""
    width = (ONE_COLUMN - inches(names) - 3.5 * EDGE) / count
    if width >= NAMED:
        return names, min(WIDEST, width)
    numbered = [f"{name} {i}" for i, name in enumerate(names, 1)]
    return numbered, (ONE_COLUMN - inches(numbered) - 3.5 * EDGE) / count


def cells(axes: Axes, at: Mapping[str, float], rows: pl.DataFrame, *, written: bool) -> None:
    """A coloured square for each row, its value in it if there is room; the diagonal faint."""
    diagonal = [(p + 0.5, p + 0.5) for p in at.values()]
    squares(axes, diagonal, [FAINT] * len(diagonal), [1.0] * len(diagonal))
    defined, undefined = rows.drop_nulls("value"), rows.filter(pl.col("value").is_null())
    sides = defined["ceiling"].fill_null(1).clip(0, 1).to_list()
    shades = CHANCE((defined["value"].to_numpy() + 1) / 2)
    middles = [place(at, *row) for row in defined.select("a", "b", "control").iter_rows()]
    squares(axes, middles, list(shades), sides)
    hatched(axes, [place(at, *row) for row in undefined.select("a", "b", "control").iter_rows()])
    if written:
        for (x, y), value, side in zip(middles, defined["value"], sides, strict=True):
            ink = "white" if abs(value) > 0.45 and side > 0.6 else INK
            axes.text(x, y, decimal(value), ha="center", va="center", color=ink)


def place(at: Mapping[str, float], a: str, b: str, control: str) -> tuple[float, float]:
    """The middle of a pair's cell: raw above the diagonal, controlled below."""
    x, y = sorted((at[a], at[b]), reverse=control == RAW)
    return x + 0.5, y + 0.5


def write_names(
    axes: Axes,
    at: Mapping[str, float],
    names: Sequence[str],
    families: Mapping[str, str],
    *,
    numbered: bool,
) -> None:
    """Names at the left and above, or above only their numbers, every other one raised."""
    middles, end = [p + 0.5 for p in at.values()], max(at.values(), default=0) + 1.0
    axes.set(xlim=(0, end), ylim=(end, 0))
    axes.set_yticks(middles, names)
    paint(axes.get_yticklabels(), list(at), families)
    axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    if not numbered:
        axes.set_xticks(middles, names, rotation=90)
        paint(axes.get_xticklabels(), list(at), families)
        return
    axes.tick_params(which="minor", length=0, labeltop=True, labelbottom=False, pad=9)
    for first, raised in enumerate((False, True)):
        numbers = [str(i + 1) for i in range(first, len(names), 2)]
        axes.set_xticks(middles[first::2], numbers, minor=raised)
        paint(axes.get_xticklabels(minor=raised), list(at)[first::2], families)
