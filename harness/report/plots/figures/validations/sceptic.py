"""The sceptic's controls: P(correct) behind a trace and behind what is put in its place."""

from pathlib import Path

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report.plots.colours import SERIES
from harness.report.plots.style import GREY, INK, ONE_COLUMN, drawable
from harness.store import schema
from harness.store.reading import read_frame
from harness.store.validations import summaries

NAME = "sceptic"
FORCED, REDRAWN = "P(correct), forced", "P(correct), redrawn"
ROW, ROOM = 0.27, 0.8  # inches: of a control, and around them
HALF = 0.36  # of the room of a control, one bar
BETWEEN = " − "  # in the names of differences


def controls(run: Path) -> pl.DataFrame:
    """The controls that have a value, forced and redrawn, of traces that ended right and wrong."""
    path = summaries(run).get(NAME)
    if path is None:
        return pl.DataFrame()
    frame = read_frame(path, schema.VALIDATION_SUMMARY).fill_nan(None).drop_nulls("value")
    mine = pl.col("measure").is_in([FORCED, REDRAWN]) & pl.col("at").is_null()
    whole = frame.filter(mine & ~pl.col("part").str.contains(BETWEEN, literal=True))
    return whole if len(whole) else pl.DataFrame()


def figure(found: pl.DataFrame) -> Figure:
    """Bars to the right by control, forced above redrawn, with their intervals over problems."""
    names = found["part"].unique(maintain_order=True).to_list()
    made = Figure(figsize=(ONE_COLUMN, ROW * len(names) + ROOM), layout="constrained")
    axes = made.subplots()
    for colour, shift, measure in ((SERIES, -HALF, FORCED), (GREY, 0.0, REDRAWN)):
        _bars(axes, found.filter(measure=measure), names, shift, colour)
    axes.set(xlim=(0, 1.02), ylim=(len(names) - 0.5, -0.6), yticks=range(len(names)))
    axes.set_yticklabels([drawable(name) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("P(correct): blue forced, grey redrawn")
    return made


def _bars(axes: Axes, rows: pl.DataFrame, names: list[str], shift: float, colour: str) -> None:
    y = [names.index(part) + shift for part in rows["part"]]
    axes.barh(y, rows["value"], height=HALF, color=colour, align="edge")
    known = rows.drop_nulls(["low", "high"])
    middle = [names.index(part) + shift + HALF / 2 for part in known["part"]]
    axes.hlines(middle, known["low"], known["high"], color=INK, lw=0.7)
