"""The figures of a run, one after the other; a figure without numbers behind it is left out."""

from collections.abc import Iterator

import polars as pl
from matplotlib.figure import Figure

from harness.report.dynamics import figure as dynamics
from harness.report.plots.clusters import by_family, clusters
from harness.report.plots.figures import (
    agreement,
    by_k,
    control,
    dendrogram,
    enrichment,
    forest,
    matrix,
    peaks,
    position,
    reliability,
    trace,
)
from harness.report.plots.figures.validations import deletion, effects, hybrid, sceptic
from harness.report.plots.selection import among, informative, pairs, selection
from harness.report.source import Source, optional
from harness.store import schema
from harness.store.reading import read_frame
from harness.store.validations import summaries

Drawn = tuple[str, Figure, pl.DataFrame]

NAMES = (
    "agreement", "agreement_all", "forest", "dendrogram", "by_k", "control", "reliability",
    "enrichment", "peaks", "matrix", "position", "trace", "validations", "hybrid", "dynamics",
    "sceptic", "deletion",
)  # fmt: skip
MANY = 24  # methods above which variants get a figure of their own


def figures(source: Source, shown: str | None) -> Iterator[Drawn]:
    """Name, figure and the numbers behind it; `shown` is the id of the trace to draw, if any."""
    detectors = source.detectors
    if len(source.methods_in_order) > MANY:
        detectors = [name for name in detectors if name not in source.variants]
    yield from of_agreement(source, detectors)
    yield from of_pairs(source, detectors)
    yield from of_methods(source, detectors)
    yield from of_trace(source, detectors, shown)
    yield from of_validations(source)
    series = optional(source.run, "dynamics")
    if len(series):
        yield dynamics.NAME, dynamics.figure(series), series


def of_agreement(source: Source, detectors: list[str]) -> Iterator[Drawn]:
    """The heat map, a second one with the variants where these are many, and the tree of all."""
    rows = agreement.correlations(source.agreement, source.control)
    families, known = source.families, agreement.known(rows, source.families)
    found = clusters(pairs(source.agreement, source.control), source.detectors)
    names = [name for name in found.order if name in known]
    rest = [[n for n in part if n in known] for part in (source.truths, source.baselines)]
    for name, drawn in {"agreement": detectors, "agreement_all": source.detectors}.items():
        if name == "agreement" or drawn != detectors:
            groups = by_family([n for n in names if n in drawn], families)
            figure = agreement.figure(rows, [*groups, *rest], families, source.control)
            yield name, figure, rows
    if len(found.tree):
        figure = dendrogram.figure(found, families, source.control)
        yield "dendrogram", figure, dendrogram.merges(found)


def of_pairs(source: Source, detectors: list[str]) -> Iterator[Drawn]:
    """Single pairs of detectors: intervals, by k, and against the control of position."""
    rows = among(pairs(source.agreement, source.control), detectors)
    if len(rows):
        best = informative(rows, forest.MOST)
        dots = forest.points(source.by_problem, best, source.control)
        figure = forest.figure(best, dots, source.control, len(rows))
        yield "forest", figure, best
    if len(rows) and len(source.by_k):
        best = informative(rows, by_k.MOST)
        curves = by_k.curves(source.by_k, best)
        if len(curves):
            yield "by_k", by_k.figure(curves, selection(best, len(rows))), curves
    moved = control.moved(among(pairs(source.agreement, "position"), detectors))
    if len(moved):
        yield "control", control.figure(moved, source.families, "position"), moved


def of_methods(source: Source, detectors: list[str]) -> Iterator[Drawn]:
    """Methods one by one: reliability, kinds of sentences, places in the trace."""
    rows = reliability.reliabilities(source.methods)
    if len(rows):
        yield "reliability", reliability.figure(rows, source.families), rows
    if len(source.enrichment):
        rows = enrichment.strongest(source.enrichment)
        total = source.enrichment["method"].n_unique()
        if len(rows):
            groups = (source.detectors, source.truths, source.baselines)
            yield "enrichment", enrichment.figure(rows, groups, source.families, total), rows
    curves = position.curves(source.scores, source.sentences)
    if len(curves):
        shown = [*detectors, *source.truths]
        yield "position", position.figure(curves, shown, source.baselines), curves


def of_trace(source: Source, detectors: list[str], wanted: str | None) -> Iterator[Drawn]:
    """One trace: peaks along it, what its sentences do to one another, all scores."""
    chosen = trace.choose(source.sentences, source.scores, wanted)[0]
    title = source.title(chosen)
    sentences = source.sentences.filter(pl.col("trace_id") == chosen)
    along = peaks.along(source.run, sentences, source.detectors)
    if len(along):
        yield "peaks", peaks.figure(along, title), along
    effects = matrix.effects(source.run, chosen, detectors)
    if len(effects):
        yield "matrix", matrix.figure(effects, title), effects
    shown = [*detectors, *source.truths]
    strip = trace.strip(source.scores, source.sentences, chosen)
    yield "trace", trace.figure(strip, shown, source.baselines, title), strip


def of_validations(source: Source) -> Iterator[Drawn]:
    """What validations found together, and of those whose effects are a curve."""
    found = effects.known(source.run)
    if len(found):
        yield "validations", effects.figure(found), found
    if path := summaries(source.run).get("hybrid"):
        rows = hybrid.curves(read_frame(path, schema.VALIDATION_SUMMARY).fill_nan(None))
        if len(rows):
            yield "hybrid", hybrid.figure(rows), rows
    bars, lines = sceptic.controls(source.run), deletion.curves(source.run)
    if len(bars):
        yield sceptic.NAME, sceptic.figure(bars), bars
    if len(lines):
        yield deletion.NAME, deletion.figure(lines), lines
