"""The peaks that detectors count along a trace."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.ledger import file
from harness.plots.style import (
    BLUE,
    EDGE,
    FAINT,
    LINE,
    RED,
    Margins,
    caption,
    drawn_on,
    heading,
    label,
    panels,
    shorten,
)

DECLARED = "peaks"  # the diagnostic by which a detector says that it has any
MOST = 4
NUMBER = 0.06  # width of a number of three digits, of the axes
COLUMNS = {
    "method": pl.String,
    "sentence": pl.Int32,
    "start": pl.Int32,
    "stop": pl.Int32,
    "score": pl.Float64,
    DECLARED: pl.Float64,
}


def along(run: Path, sentences: pl.DataFrame, methods: Sequence[str]) -> pl.DataFrame:
    """The sentences of a trace as the detectors see them that have a diagnostic named `peaks`.

    method, sentence, start, stop (tokens), score, peaks (how many lie in the sentence). Detectors
    that score none of the sentences are left out.
    """
    found = [pl.DataFrame(schema=COLUMNS)]
    for path, name in ((file(run, name), name) for name in methods):
        stored = pl.scan_parquet(path) if path.is_file() else pl.LazyFrame()
        if DECLARED in stored.collect_schema():
            said = stored.select("trace_id", "sentence", "score", DECLARED).fill_nan(None)
            joined = sentences.lazy().join(said, on=["trace_id", "sentence"])
            found.append(joined.with_columns(method=pl.lit(name)).select(*COLUMNS).collect())
    scored = pl.col("score").count().over("method") > 0
    spanned = pl.concat(found).drop_nulls(["start", "stop"])
    return spanned.filter(scored).sort("method", "sentence", maintain_order=True)


def figure(rows: pl.DataFrame, title: str) -> Figure:
    """A panel a detector: its score over the tokens of each sentence, a mark where peaks lie."""
    parts = dict(list(rows.group_by("method", maintain_order=True))[:MOST])
    drawn = panels(len(parts), 1, 0.6, Margins(0.42, 0.08, 0.32, 0.32 + LINE), 0.17)
    for axes, ((name,), part) in zip(drawn, parts.items(), strict=True):
        curve(axes, part)
        axes.set_title(label(str(name)))
        number(axes, part)
    made = drawn_on(drawn[0])
    heading(made, shorten(title, 60))
    made.supylabel("score", x=EDGE / made.get_figwidth(), ha="left", fontsize="medium")
    caption(made, ["sentences, as wide as their tokens · triangle: holds a peak"])
    return made


def curve(axes: Axes, part: pl.DataFrame) -> None:
    """Steps as wide as the sentences over bands for every other one."""
    start, stop, score = (part[c].to_numpy() for c in ("start", "stop", "score"))
    for left, right in zip(start[1::2], stop[1::2], strict=True):
        axes.axvspan(left, right, color=FAINT, lw=0)
    axes.hlines(score, start, stop, color=BLUE, lw=1.4)
    axes.plot((start + stop) / 2, score, color=BLUE, lw=0.5, alpha=0.6)
    axes.margins(y=0.25)
    marked = part.filter(pl.col(DECLARED) > 0)
    middles = (marked["start"] + marked["stop"]) / 2
    axes.plot(middles, [0.94] * len(marked), "v", ms=3, color=RED, mew=0,
              transform=axes.get_xaxis_transform())  # fmt: skip
    axes.set(xlim=(start.min(), stop.max()))
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
