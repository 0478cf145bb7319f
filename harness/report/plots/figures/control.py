"""How much of the agreement of two detectors is left under a control."""

import math
from collections.abc import Mapping

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report.plots.colours import SERIES
from harness.report.plots.style import (
    GREY,
    INK,
    LINE,
    Margins,
    canvas,
    caption,
    controlled,
    label,
    scale,
)

NEAR = 0.12  # of one point to another
NAMED = 5  # pairs that the control moves most
FIELD = 2.4  # inches


def moved(rows: pl.DataFrame) -> pl.DataFrame:
    """The pairs with both values, those that the control moves most first."""
    both = rows.drop_nulls(["value", "value_controlled"])
    shift = (pl.col("value_controlled") - pl.col("value")).abs()
    return both.sort(shift, descending=True, maintain_order=True)


def figure(rows: pl.DataFrame, families: Mapping[str, str], control: str) -> Figure:
    """A dot a pair, raw agreement across and controlled upwards; off the diagonal = moved.

    rows: as `moved` gives them; the first few are numbered and named.
    """
    named = list(rows.head(NAMED).select("a", "b").iter_rows())
    bottom = 0.35 + LINE * (len(named) + 2)
    made, axes = canvas(FIELD, Margins(0.4, 0.5, 0.08, bottom))
    axes.plot([-1, 1], [-1, 1], color=GREY, lw=0.4)
    for zero in (axes.axhline, axes.axvline):
        zero(0, color=GREY, lw=0.4, ls=(0, (2, 2)))
    within = [families[a] == families[b] for a, b in rows.select("a", "b").iter_rows()]
    scatter(axes, rows.filter(within), SERIES, "o")
    scatter(axes, rows.filter([not same for same in within]), SERIES, "^")
    number(axes, rows.head(NAMED))
    axes.set(xlim=(-1.02, 1.02), ylim=(-1.02, 1.02), xlabel="raw", ylabel=controlled(control))
    axes.set(xticks=[-1, -0.5, 0, 0.5, 1], yticks=[-1, -0.5, 0, 0.5, 1], aspect="equal")
    what = scale(rows)
    key = "dot: pair of one family · triangle: of two families"
    names = [f"{i}  {label(a)} ~ {label(b)}" for i, (a, b) in enumerate(named, 1)]
    caption(made, [what, key, *names])
    return made


def scatter(axes: Axes, rows: pl.DataFrame, colour: str, marker: str) -> None:
    """The pairs of one kind."""
    x, y = rows["value"], rows["value_controlled"]
    axes.plot(x, y, marker, ms=2.6, mfc=colour, mec="white", mew=0.3, alpha=0.7)


def number(axes: Axes, rows: pl.DataFrame) -> None:
    """Numbers beside pairs, on the side away from the diagonal; neighbours share a place."""
    at: dict[tuple[float, float], str] = {}
    for i, (x, y) in enumerate(rows.select("value", "value_controlled").iter_rows(), 1):
        near = [place for place in at if math.dist(place, (x, y)) < NEAR]
        at |= {near[0]: f"{at[near[0]]}, {i}"} if near else {(x, y): str(i)}
    for (x, y), numbers in at.items():
        away, side = ((-4, 4), "right") if y > x else ((4, -4), "left")
        axes.annotate(
            numbers, (x, y), away, textcoords="offset points", ha=side, va="center", color=INK
        )
