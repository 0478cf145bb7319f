"""Agreement of all detectors at once."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from harness.agreement.panel.panel import MethodInfo, Panel
from harness.agreement.ranks import ranked

Scores = Float[np.ndarray, "methods sentences"]
Trace = Int[np.ndarray, " sentences"]
PerTrace = Float[np.ndarray, " traces"]


def kendall_w(scores: Scores, trace: Trace) -> PerTrace:
    """Kendall's coefficient of concordance in each trace, corrected for ties.

    Over the sentences that all methods define; from 0 to 1, 1/m at chance for m methods. NaN where
    one of them is constant or there is but one.
    """
    known = np.logical_and.reduce(np.isfinite(scores))
    m, traces = len(scores), int(trace.max(initial=-1)) + 1
    ranks, tied = np.swapaxes([ranked(row, trace, known) for row in scores], 0, 1)[..., known]
    trace = trace[known]
    n = np.bincount(trace, minlength=traces).astype(np.float64)
    flat = np.bincount(trace, (tied == n[trace]).any(0), minlength=traces) > 0
    away = (ranks.sum(0) - m * (n[trace] + 1) / 2) ** 2
    squares, ties = (np.bincount(trace, v, traces) for v in (away, (tied**2 - 1).sum(0)))
    most = m**2 * (n**3 - n) - m * ties
    return 12 * squares / np.where(flat | (m < 2) | (most <= 0), np.nan, most)


def krippendorff_alpha(scores: Scores, trace: Trace) -> PerTrace:
    """Krippendorff's alpha (interval) in each trace, of ranks on (0, 1) within it.

    0 at chance, 1 at most. A sentence that fewer than two methods define is no unit. NaN where all
    ranks are the same.
    """
    traces = int(trace.max(initial=-1)) + 1
    ranks = np.stack([_share(row, trace, traces) for row in scores])
    number = np.isfinite(ranks).sum(0)
    units = number > 1
    ranks, number, trace = ranks[:, units], number[units], trace[units]
    first, second = np.nansum(ranks, 0), np.nansum(ranks**2, 0)
    within = (number * second - first**2) / (number - 1)
    n, one, two, apart = (
        np.bincount(trace, v, minlength=traces) for v in (number, first, second, within)
    )
    overall = n * two - one**2
    defined = overall > 1e-9 * np.maximum(n, 1)
    return np.where(defined, 1 - apart * (n - 1) / np.where(defined, overall, 1), np.nan)


def _share(score: Float[np.ndarray, " sentences"], trace: Trace, traces: int) -> np.ndarray:
    known = np.isfinite(score)
    n = np.bincount(trace[known], minlength=traces)
    return (ranked(score, trace, known)[0] - 0.5) / n[trace]


def concordance(
    panel: Panel, names: Sequence[str], traits: Mapping[str, MethodInfo]
) -> list[tuple[str, np.ndarray, float]]:
    """W and alpha with their names: one value a problem, and what chance gives."""
    if len(names) < 2:
        return []
    signed = [n in traits and traits[n].signed for n in names]
    scores = np.stack([panel.methods[n].score for n in names])
    fold = np.array(signed) & (not all(signed))
    scores[fold] = np.abs(scores[fold])
    found = (
        ("kendall_w", kendall_w(scores, panel.trace), 1 / len(names)),
        ("krippendorff_alpha", krippendorff_alpha(scores, panel.trace), 0.0),
    )
    n = len(panel.problems)
    return [(name, _means(panel.problem, v, n), chance) for name, v, chance in found]


def _means(index: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    known = np.isfinite(values)
    number = np.bincount(index[known], minlength=n)
    return np.bincount(index[known], values[known], minlength=n) / np.where(number, number, np.nan)
