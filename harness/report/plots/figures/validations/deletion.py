"""Deletion curves: what the answer loses while a method's highest sentences go, beside the band."""

from pathlib import Path

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
from harness.store import schema
from harness.store.reading import read_frame
from harness.store.validations import rows_file

NAME = "deletion"
COLUMNS = 3
BAND = (0.05, 0.95)  # of the matched sets, each averaged over problems
SHOWN = {"part": "whole trace", "answer": "own", "measure": "log p"}
KEY = "log p of the own answer, whole trace; grey: 90 % of matched sets"


def curves(run: Path) -> pl.DataFrame:
    """By method and share of the sentences gone: value, low, high (of matched sets); empty without.

    Means over the traces of a problem, then over problems.
    """
    path = rows_file(run, NAME)
    if not path.is_file():
        return pl.DataFrame()
    frame = read_frame(path, schema.VALIDATION).fill_nan(None)
    if "scale" not in frame.columns:
        return pl.DataFrame()
    shown = frame.filter(scale="share", **SHOWN).drop_nulls("value")
    found = _over_problems(shown.select("problem_id", "method", "at", "value"), [])
    draws = shown.select("problem_id", "method", "at", value="draws")
    draws = draws.with_columns(draw=pl.int_ranges(pl.col("value").list.len()))
    each = _over_problems(draws.explode("value", "draw"), ["draw"])
    low, high = (pl.col("value").quantile(q, "linear") for q in BAND)
    band = each.group_by("method", "at").agg(low=low, high=high)
    joined = found.join(band, on=["method", "at"], how="left")
    return joined.sort("method", "at") if len(joined) else pl.DataFrame()


def _over_problems(rows: pl.DataFrame, more: list[str]) -> pl.DataFrame:
    keys = ["method", "at", *more]
    means = rows.group_by("problem_id", *keys).agg(pl.col("value").mean())
    return means.group_by(keys).agg(pl.col("value").mean())


def figure(curves: pl.DataFrame) -> Figure:
    """One small panel a method, the others faint behind it, the band of matched sets in grey."""
    parts = {str(name): part for (name,), part in curves.group_by("method", maintain_order=True)}
    drawn = panels(len(parts), COLUMNS, 0.62, Margins(0.42, 0.08, 0.3, 0.42), 0.3)
    ends = [*curves["value"], *curves["low"].drop_nulls(), *curves["high"].drop_nulls(), 0.0]
    room = 0.05 * ((max(ends) - min(ends)) or 1.0)
    for axes, (name, part) in zip(drawn, parts.items(), strict=True):
        for other in parts.values():
            axes.plot(100 * other["at"], other["value"], color=FAINT, lw=0.5, zorder=1)
        _curve(axes, part)
        axes.set_title(label(name, width(axes) - EDGE))
        axes.set(xlim=(0, 105 * max(curves["at"])), ylim=(min(ends) - room, max(ends) + room))
    made = drawn_on(drawn[0])
    made.supxlabel("share of the sentences gone, %", y=0, va="bottom", fontsize="medium")
    made.supylabel("nats lost", x=0, ha="left", fontsize="medium")
    heading(made, KEY)
    return made


def _curve(axes: Axes, part: pl.DataFrame) -> None:
    banded = part.drop_nulls(["low", "high"])
    x = 100 * banded["at"]
    axes.axhline(0, color=GREY, lw=0.4, ls=(0, (2, 2)), zorder=2)
    axes.fill_between(x, banded["low"], banded["high"], color=GREY, alpha=0.3, lw=0)
    axes.plot(100 * part["at"], part["value"], "o-", color=SERIES, lw=1.2, ms=2, zorder=4)
