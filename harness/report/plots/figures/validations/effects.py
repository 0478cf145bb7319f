"""Effects of validations over problems: value and interval, a panel a validation."""

from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report.plots.colours import SERIES
from harness.report.plots.style import GREY, ONE_COLUMN, drawable
from harness.store import schema
from harness.store.reading import read_frame
from harness.store.validations import summaries

MOST = 12  # effects of one validation
ROW, ROOM = 0.2, 0.55  # inches: of an effect, and around those of a validation
LONGEST = 48  # characters of a name


def known(run: Path) -> pl.DataFrame:
    """The first effects of each validation that have a value."""
    empty = pl.DataFrame(schema=dict(schema.VALIDATION_SUMMARY))
    needs = schema.VALIDATION_SUMMARY
    found = [read_frame(path, needs).select(*needs) for path in summaries(run).values()]
    whole = pl.concat([empty, *found]).fill_nan(None).drop_nulls("value")
    return whole.filter(pl.int_range(pl.len()).over("validation") < MOST)


def figure(found: pl.DataFrame) -> Figure:
    """Effects downwards in the order of the summary; the line is 0."""
    parts = found.partition_by("validation", maintain_order=True)
    heights = [ROW * len(part) + ROOM for part in parts]
    made = Figure(figsize=(ONE_COLUMN, sum(heights)), layout="constrained")
    panels = made.subplots(len(parts), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, part in zip(panels, parts, strict=True):
        drawn(axes, part)
    return made


def drawn(axes: Axes, part: pl.DataFrame) -> None:
    """One validation."""
    y = range(len(part))
    value, low, high = (part[key].to_numpy() for key in ("value", "low", "high"))
    axes.axvline(0, color=GREY, lw=0.4)
    axes.hlines(y, low, high, color=SERIES, lw=1)
    axes.plot(value, y, "o", ms=3.2, color=SERIES)
    axes.set(yticks=list(y), ylim=(len(part) - 0.5, -0.5))
    axes.set_yticklabels([name(row) for row in part.iter_rows(named=True)])
    axes.tick_params(axis="y", length=0)
    axes.set_title(drawable(str(part["validation"][0])), loc="left")


def name(row: dict[str, Any]) -> str:
    """What an effect is of, on one line."""
    at = None if row["at"] is None else f"at {row['at']:g}"
    text = " · ".join(str(t) for t in (row["part"], row["measure"], row["method"], at) if t)
    return drawable(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")
