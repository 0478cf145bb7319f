"""Rows of the agreement frame: intervals, tests, corrections and verdicts of all comparisons."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from jaxtyping import Float

from harness.agreement.inference import (
    Combine,
    benjamini_hochberg,
    estimate,
    flipped,
    max_t,
    mean,
    sign_flip,
    signs,
    student,
)
from harness.agreement.outcome import CORRELATED, ByProblem, Outcome
from harness.agreement.panel.panel import MethodInfo, Panel, is_detector
from harness.agreement.reliability import (
    ceiling,
    disattenuated,
    full_length,
    means,
    reliable,
    scaled,
)
from harness.agreement.rows.conclusion import concluded
from harness.agreement.settings import Agreement
from harness.agreement.statistics import Measure
from harness.store import schema

Columns = dict[str, Float[np.ndarray, " rows"]]


def significance(
    panel: Panel, found: Sequence[Outcome], traits: Mapping[str, MethodInfo], conf: Agreement
) -> pl.DataFrame:
    """The frame schema.AGREEMENT of all comparisons, NaN = undefined."""
    columns = _values(found, conf) | _tests(found, traits, conf) | _corrections(found, conf)
    rows = pl.DataFrame([_names(panel, outcome) for outcome in found], schema=NAMES, orient="row")
    return rows.with_columns(**columns, **concluded(found, columns, conf)).select(
        pl.col(name).cast(kind) for name, kind in schema.AGREEMENT.items()
    )


NAMES = ["model", "a", "b", "statistic", "control", "cross_fit", "share"] + [
    f"n_{of}" for of in ("traces", "problems", "sentences")
]


def _names(panel: Panel, found: Outcome) -> tuple[str | bool | int | float, ...]:
    pair, measure = found.pair, found.measure
    counts = (found.n_traces.sum(), found.n_problems, found.n_sentences.sum())
    names = (panel.model, pair.a, pair.b, measure.statistic, measure.control, pair.cross_fit)
    return *names, found.share, *map(int, counts)


def _estimated(
    found: Sequence[Outcome],
    parts: Sequence[ByProblem],
    combine: Combine,
    levels: Sequence[float],
    conf: Agreement,
) -> Float[np.ndarray, "cells rows"]:
    """Values, then both ends at each of the levels."""
    if not found:
        return np.empty((1 + 2 * len(levels), 0))
    weights = np.stack([outcome.weight for outcome in found])
    value, bounds = estimate(np.stack(parts, axis=1), combine, levels, conf, weights)
    return np.stack([value, *(end for level in bounds for end in level.T)])


def _values(found: Sequence[Outcome], conf: Agreement) -> Columns:
    """What was seen; correlations across halves carried to whole samples."""
    cells = np.full((3, len(found)), np.nan)
    for carried, combine in ((False, mean), (True, full_length)):
        index = [i for i, outcome in enumerate(found) if outcome.carried == carried]
        some = [found[i] for i in index]
        parts = [o.seen if carried else o.seen[:1] for o in some]
        cells[:, index] = _estimated(some, parts, combine, [conf.confidence], conf)
    return dict(zip(("value", "low", "high"), cells, strict=True))


def _tests(found: Sequence[Outcome], traits: Mapping[str, MethodInfo], conf: Agreement) -> Columns:
    """Tests of correlations; pairs of detectors are one family of tests, all others another."""
    families: dict[tuple[Measure, bool], list[int]] = {}
    for i, outcome in enumerate(found):
        enough = outcome.n_problems >= conf.min_problems_interval
        if outcome.measure.statistic in CORRELATED and enough:
            between = all(is_detector(n, traits) for n in (outcome.pair.a, outcome.pair.b))
            families.setdefault((outcome.measure, between), []).append(i)
    cells = np.full((4, len(found)), np.nan)
    for index in families.values():
        values = np.stack([found[i].seen[0] * found[i].weight for i in index])
        t = flipped(values, signs(values.shape[1], conf.flips, conf.seed))
        p = sign_flip(t)
        cells[:, index] = p, student(values), max_t(t), benjamini_hochberg(p)
    return dict(zip(("p", "p_t", "p_max_t", "q"), cells, strict=True))


def _corrections(found: Sequence[Outcome], conf: Agreement) -> Columns:
    """Ceilings, and what is left of noise once that of the draws is taken out."""
    levels = [conf.confidence, 1 - 2 * conf.verdict.alpha]  # of the frame, of one-sided tests
    cells, most = np.full((5, len(found)), np.nan), np.full(len(found), np.nan)
    for statistics, combine in ((CORRELATED, disattenuated), (("topk", "rbo"), scaled)):
        index = [i for i, o in enumerate(found) if o.measure.statistic in statistics]
        some = [found[i] for i in index]
        corrected = _estimated(some, [o.split for o in some], combine, levels, conf)
        own = np.stack([means(o) for o in some], axis=1) if some else np.empty((4, 0))
        enough = [found[i].share >= conf.min_share for i in index]
        corrected[:, ~(reliable(own, conf) & np.array(enough, bool))] = np.nan
        cells[:, index] = corrected
        if combine is disattenuated:
            most[index] = ceiling(own)
    ends = ("disattenuated", "disattenuated_low", "disattenuated_high", "within_low", "within_high")
    return {"ceiling": most, **dict(zip(ends, cells, strict=True))}
