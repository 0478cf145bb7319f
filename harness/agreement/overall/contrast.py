"""Do two methods agree as well where the answer is right as where it is wrong?"""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from jaxtyping import Bool, Float

from harness.agreement.compare import PARTS, Compared, Pair
from harness.agreement.inference import estimate
from harness.agreement.outcome import CORRELATED, by_problem, carried, rests_on, taken
from harness.agreement.panel.panel import Panel
from harness.agreement.reliability import full_length
from harness.agreement.settings import Agreement
from harness.agreement.statistics import Measure
from harness.store import schema

Side = Float[np.ndarray, "parts problems"]


def contrasts(
    panel: Panel,
    pairs: Sequence[Pair],
    measures: Sequence[Measure],
    whole: Compared,
    split: Compared,
    conf: Agreement,
) -> pl.DataFrame:
    """The frame schema.AGREEMENT_BY_CORRECTNESS: correct traces minus incorrect ones.

    Of correlations, raw and under the control that verdicts rest on, wherever a pair has values in
    `min_problems_interval` problems of each. A problem may have traces of both kinds: it is drawn
    with all of them. Problems count alike.
    """
    controls = ("none", conf.verdict_control)
    wanted = [m for m in measures if m.statistic in CORRELATED and m.control in controls]
    rows = [
        (panel.model, pair.a, pair.b, measure.statistic, measure.control, *cells)
        for pair in pairs
        for measure in wanted
        if not taken(pair, measure, conf)
        for sums in [rests_on(panel, pair, measure, whole, split)]
        for cells in _row(panel, sums.mean, carried(pair, measure), conf)
    ]
    return pl.DataFrame(rows, schema=dict(schema.AGREEMENT_BY_CORRECTNESS), orient="row")


def _row(
    panel: Panel, parts: Float[np.ndarray, "parts traces"], whole_length: bool, conf: Agreement
) -> Iterator[tuple[float | int, ...]]:
    """Both values, their difference with its interval, and how many problems have each."""
    sides = [_side(panel, parts, panel.correct == kind) for kind in (1, 0)]
    known = [np.isfinite(side[0]) for side in sides]
    counts = [int(k.sum()) for k in known]
    if min(counts) < conf.min_problems_interval:
        return
    stacked = np.concatenate(
        [np.vstack([np.nan_to_num(s), k]) for s, k in zip(sides, known, strict=True)]
    )
    stacked[:, ~(known[0] | known[1])] = np.nan

    def each(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = []
        for side in (means[: PARTS + 1], means[PARTS + 1 :]):
            mean = side[:PARTS] / side[PARTS]
            found.append(full_length(mean) if whole_length else mean[0])
        return found[0], found[1]

    def difference(means: np.ndarray) -> np.ndarray:
        correct, incorrect = each(means)
        return correct - incorrect

    value, bounds = estimate(stacked[:, None], difference, [conf.confidence], conf)
    shown = each(np.nanmean(stacked, axis=1, keepdims=True))
    yield (
        float(shown[0][0]),
        float(shown[1][0]),
        float(value[0]),
        *map(float, bounds[0, 0]),
        *counts,
    )


def _side(
    panel: Panel, parts: Float[np.ndarray, "parts traces"], of: Bool[np.ndarray, " traces"]
) -> Side:
    return by_problem(panel, np.where(of & np.isfinite(parts).all(0), parts, np.nan))
