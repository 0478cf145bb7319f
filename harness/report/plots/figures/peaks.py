"""The peaks that detectors find along a trace, token by token."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report.plots.colours import PEAK, SERIES
from harness.report.plots.style import (
    EDGE,
    FAINT,
    LINE,
    Margins,
    caption,
    drawn_on,
    heading,
    label,
    panels,
    shorten,
)
from harness.store.files import slug
from harness.store.reading import read_frame
from harness.store.schema import BY_TOKEN

MOST = 4
NUMBER = 0.06  # width of a number of three digits, of the axes
COLUMNS = {
    "method": pl.String,
    "token": pl.Int32,
    "sentence": pl.Int32,
    "start": pl.Int32,
    "stop": pl.Int32,
    "value": pl.Float32,
    "peak": pl.Float32,
}


def along(run: Path, sentences: pl.DataFrame, methods: Sequence[str]) -> pl.DataFrame:
    """The tokens of a trace as the detectors see them that look for peaks.

    method, token, the sentence that it is of with its span, value, peak (1 or 0). `sentences` are
    those of the trace.
    """
    found = [pl.DataFrame(schema=COLUMNS)]
    spans = sentences.select("trace_id", "sentence", "start", "stop").drop_nulls()
    tokens = spans.with_columns(token=pl.int_ranges("start", "stop", dtype=pl.Int32))
    of_trace = tokens.explode("token", empty_as_null=False)
    names = of_trace["trace_id"].unique()
    for method in methods if len(names) else []:
        path = run / "tokens" / method / f"{slug(names[0])}.parquet"
        read = read_frame(path, BY_TOKEN) if path.is_file() else pl.DataFrame()
        if "peak" in read.columns:
            joined = of_trace.join(read, on=["trace_id", "token"])
            found.append(joined.with_columns(method=pl.lit(method)).select(*COLUMNS))
    return pl.concat(found).sort("method", "token", maintain_order=True)


def figure(rows: pl.DataFrame, title: str) -> Figure:
    """A panel a detector: its value at each token, a dot on every peak."""
    parts = dict(list(rows.group_by("method", maintain_order=True))[:MOST])
    drawn = panels(len(parts), 1, 0.6, Margins(0.42, 0.08, 0.32, 0.32 + LINE), 0.17)
    for axes, ((name,), part) in zip(drawn, parts.items(), strict=True):
        curve(axes, part)
        axes.set_title(label(str(name)))
        number(axes, part.unique("sentence", maintain_order=True))
    made = drawn_on(drawn[0])
    heading(made, shorten(title, 60))
    made.supylabel("value", x=EDGE / made.get_figwidth(), ha="left", fontsize="medium")
    caption(made, ["a value a token, numbered by sentence · dot: a peak"])
    return made


def curve(axes: Axes, part: pl.DataFrame) -> None:
    """A line over the tokens, over bands for every other sentence."""
    spans = part.select("sentence", "start", "stop").unique(maintain_order=True)
    for sentence, left, right in spans.iter_rows():
        if sentence % 2:
            axes.axvspan(left - 0.5, right - 0.5, color=FAINT, lw=0)
    axes.plot(part["token"], part["value"], color=SERIES, lw=0.7)
    marked = part.filter(pl.col("peak") > 0)
    axes.plot(marked["token"], marked["value"], "o", ms=2.2, color=PEAK, mew=0)
    axes.margins(y=0.12)
    axes.set(xlim=(spans["start"].min(), spans["stop"].max()))
    axes.locator_params(axis="y", nbins=3)


def number(axes: Axes, part: pl.DataFrame) -> None:
    """The numbers of the sentences, those left out that would touch the one before."""
    middles, left, right = (part["start"] + part["stop"]) / 2, *axes.get_xlim()
    ticks: dict[float, str] = {}
    for middle, sentence in zip(middles, part["sentence"], strict=True):
        if not ticks or middle - max(ticks) > NUMBER * (right - left):
            ticks[middle] = str(sentence)
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.tick_params(axis="x", length=0)
