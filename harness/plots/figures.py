"""The figures of a run, one after the other."""

from collections.abc import Iterator

import polars as pl
from matplotlib.figure import Figure

from harness.plots import agreement, position, trace
from harness.plots.source import Source


def figures(source: Source, shown: str | None) -> Iterator[tuple[str, Figure, pl.DataFrame]]:
    """Name, figure and the numbers behind it; `shown` is the id of the trace to draw, if any."""
    correlations = agreement.correlations(source.agreement)
    yield (
        "agreement",
        agreement.figure(correlations, source.detectors, source.baselines),
        correlations,
    )
    curves = position.curves(source.scores, source.sentences)
    yield "position", position.figure(curves, source.detectors, source.baselines), curves
    chosen = trace.choose(source.sentences, source.scores, shown)
    strip = trace.strip(source.scores, source.sentences, chosen[0])
    title = source.title(chosen[0])
    yield "trace", trace.figure(strip, source.detectors, source.baselines, title), strip
