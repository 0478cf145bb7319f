"""The measures of a series along its training."""

from pathlib import Path

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report.dynamics.tables import PANELS, named
from harness.report.plots.colours import SERIES
from harness.report.plots.saving import save
from harness.report.plots.style import (
    FAINT,
    GREY,
    Margins,
    caption,
    drawable,
    drawn_on,
    fitted,
    panels,
    styled,
    width,
)
from harness.report.settings import Report
from harness.store import schema
from harness.store.reading import read_frame

COLUMNS = 2
NAME = "dynamics"
INK_OF = {"planning": SERIES, "execution": GREY, "all": SERIES}  # classes of tokens
KEY = (
    "● planning tokens   ■ execution tokens   ▲ whole traces",
    "entropies in nats; perplexity relative to the first checkpoint",
    "bars: intervals over problems",
)
MARKS = {"planning": "o", "execution": "s", "all": "^"}


def draw(run: Path, conf: Report) -> list[Path]:
    """Write the figure of a run that has nothing but a series; returns its files."""
    rows = read_frame(run / "dynamics.parquet", schema.DYNAMICS)
    with styled():
        return save(figure(rows), rows, run / "plots" / NAME, conf.dpi)


def figure(rows: pl.DataFrame) -> Figure:
    """A panel a measure: the checkpoints from left to right, a line a class, bars = intervals."""
    order = rows["checkpoint"].unique(maintain_order=True).to_list()
    there = [
        (key, part)
        for key in PANELS
        if len(part := rows.filter(measure=key[0], traces=key[1]).drop_nulls("value"))
    ]
    made = panels(len(there), COLUMNS, 0.8, Margins(0.34, 0.34, 0.2, 0.85), 0.26)
    for number, (axes, (key, part)) in enumerate(zip(made, there, strict=True)):
        for (kind,), line in part.group_by("class", maintain_order=True):
            if kind != "all" or part["class"].n_unique() == 1:
                _line(axes, line, str(kind), order)
        if number % COLUMNS:  # each panel has a scale of its own
            axes.yaxis.tick_right()
            axes.tick_params(axis="y", labelright=True)
            axes.spines["left"].set_visible(False)
            axes.spines["right"].set_visible(True)
        axes.set_title(fitted(named(*key), width(axes)))
        axes.set(xlim=(-0.3, len(order) - 0.7), xticks=range(len(order)))
        axes.set_xticklabels([drawable(name)[:14] for name in order], rotation=45, ha="right")
    drawn = drawn_on(made[0])
    caption(drawn, KEY)
    return drawn


def _line(axes: Axes, line: pl.DataFrame, kind: str, order: list[str]) -> None:
    x = [order.index(name) for name in line["checkpoint"]]
    colour, known = INK_OF[kind], line.drop_nulls(["low", "high"])
    places = [order.index(name) for name in known["checkpoint"]]
    if line["measure"][0] == "relative_perplexity":
        axes.axhline(1, color=FAINT, lw=0.6, zorder=0)
    axes.vlines(places, known["low"], known["high"], color=colour, lw=0.6, alpha=0.6)
    axes.plot(x, line["value"], MARKS[kind] + "-", color=colour, lw=1, ms=2.2)
