"""Claims in worlds where the answer is known: effects on their own scales, with the thresholds."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report.plots.colours import DOWN, SERIES, UP
from harness.report.plots.style import GREY, drawable

WIDE = 6.8  # inches: two columns
ROW, ROOM = 0.15, 0.5  # inches: of a line, and around a claim


def figure(found: pl.DataFrame) -> Figure:
    """A panel a claim, a line a part of it in a world and seed; filled dots: said what is true.

    `found` as schema.WORLDS. Blue is where a claim is supported, orange where contradicted; a cross
    marks a verdict that is wrong. What has no interval is left out.
    """
    drawn = found.drop_nulls(["effect", "low", "high"])
    claims = drawn["claim"].unique(maintain_order=True).to_list()
    parts = [drawn.filter(claim=name) for name in claims]
    heights = [ROW * len(part) + ROOM for part in parts]
    made = Figure(figsize=(WIDE, sum(heights) + 0.1), layout="constrained")
    several = made.subplots(len(parts), 1, squeeze=False, height_ratios=heights)[:, 0]
    for name, part, axes in zip(claims, parts, several, strict=True):
        _panel(axes, name, part, found)
    return made


def _panel(axes: Axes, claim: str, part: pl.DataFrame, found: pl.DataFrame) -> None:
    names = [_name(row) for row in part.iter_rows(named=True)]
    for y, row in enumerate(part.iter_rows(named=True)):
        colour = {"supported": UP, "contradicted": DOWN}.get(row["verdict"], SERIES)
        axes.hlines(y, row["low"], row["high"], color=colour, lw=1)
        marker = "o" if _right(row, found) else "x"
        axes.plot(row["effect"], y, marker, ms=3.5, color=colour, mew=1)
        for threshold, side in ((row["supported_from"], UP), (row["contradicted_below"], DOWN)):
            axes.vlines(threshold, y - 0.5, y + 0.5, color=side, lw=0.8, ls=(0, (3, 2)))
    axes.axvline(0, color=GREY, lw=0.3, zorder=0)
    axes.set(ylim=(len(names) - 0.5, -0.5), yticks=range(len(names)))
    axes.set_yticklabels([drawable(name) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.set_title(claim, fontweight="bold")
    axes.set_xlabel(str(part["unit"][0]))


def _name(row: dict[str, object]) -> str:
    part = f", {row['part']}" if row["part"] else ""
    return f"{row['world']} {row['seed']}{part}"


def _right(row: dict[str, object], found: pl.DataFrame) -> bool:
    """Whether nothing that is known of the claim there was said wrong."""
    same = (pl.col(key) == row[key] for key in ("claim", "world", "seed"))
    return bool(found.filter(*same)["right"].fill_null(value=True).all())
