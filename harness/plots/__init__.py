"""Figures of a run: frames in, figures out, each saved as PNG and SVG with the CSV behind it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from matplotlib.figure import Figure

from harness.plots import agreement, position, trace
from harness.plots.saving import save
from harness.plots.source import Source, read
from harness.plots.style import styled


@dataclass(frozen=True)
class Report:
    """What the report shows: `trace` is an id or None, `dpi` that of the PNG figures."""

    trace: str | None
    dpi: int
    example_traces: int


def draw(run: Path, conf: Report) -> list[Path]:
    """Write every figure of a run into `run/plots`; returns the files.

    Raises UserError if the run lacks a file or `conf.trace` names no trace of it.
    """
    source = read(run)
    folder = run / "plots"
    folder.mkdir(exist_ok=True)
    written: list[Path] = []
    with styled():
        for name, figure, table in figures(source, conf):
            written += save(figure, table, folder / name, conf.dpi)
    return written


def figures(source: Source, conf: Report) -> Iterator[tuple[str, Figure, pl.DataFrame]]:
    """Name, figure and the numbers behind it, one after the other."""
    correlations = agreement.correlations(source.agreement)
    yield (
        "agreement",
        agreement.figure(correlations, source.detectors, source.baselines),
        correlations,
    )
    curves = position.curves(source.scores, source.sentences)
    yield "position", position.figure(curves, source.detectors, source.baselines), curves
    chosen = trace.choose(source.sentences, source.scores, conf.trace)
    strip = trace.strip(source.scores, source.sentences, chosen[0])
    title = source.title(chosen[0])
    yield "trace", trace.figure(strip, source.detectors, source.baselines, title), strip
