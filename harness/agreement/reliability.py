"""How far the noise of the methods' own draws limits what agreement can be seen."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from jaxtyping import Bool, Float

from harness.agreement.compare import Compared, Pair
from harness.agreement.outcome import CORRELATED, Outcome, by_problem, measures, taken
from harness.agreement.panel.panel import MethodInfo, Panel
from harness.agreement.settings import Agreement
from harness.store import schema

# What each expression is made of, as means over problems (harness.agreement.compare): agreement of
# the halves of two methods, of the halves of either, and chance.


def full_length(parts: np.ndarray) -> np.ndarray:
    """A correlation of two methods on different draws, carried from half samples to whole ones.

    r·√(2/(1 + h_A) · 2/(1 + h_B)) with h the correlation of a method's own halves (Spearman 1910,
    Brown 1910).
    """
    across, a, b, _ = parts
    return across * np.sqrt(lengthened(a) * lengthened(b))


def lengthened(half: np.ndarray) -> np.ndarray:
    """Ratio of the whole sample's reliability to that of its halves, which correlate by `half`."""
    return 2 / np.where(half > -1, 1 + half, np.nan)


def full_reliability(half: np.ndarray) -> np.ndarray:
    """Reliability of the whole sample, 0 where its halves have nothing in common."""
    return np.maximum(half, 0) * lengthened(half)


def ceiling(parts: np.ndarray) -> np.ndarray:
    """The largest correlation that two methods of such reliability can be expected to show."""
    _, a, b, _ = parts
    return np.sqrt(full_reliability(a) * full_reliability(b))


def disattenuated(parts: np.ndarray) -> np.ndarray:
    """A correlation as it would be without sampling noise: r/√(h_A·h_B) (Spearman 1904)."""
    across, a, b, _ = parts
    return across / np.sqrt(np.where((a > 0) & (b > 0), a * b, np.nan))


def scaled(parts: np.ndarray) -> np.ndarray:
    """Overlap as a share of what the methods' own halves reach: (o_AB − c)/(√(o_AA·o_BB) − c).

    The parts are corrected for chance, trace by trace, and are put back on the scale of overlaps at
    the mean chance only to take the root.
    """
    across, a, b, chance = parts
    own = chance + (1 - chance) * np.stack([a, b])
    most = np.sqrt(np.where((own > 0).all(0), own.prod(0), np.nan)) - chance
    return across * (1 - chance) / np.where(most > 0, most, np.nan)


def means(outcome: Outcome) -> Float[np.ndarray, " parts"]:
    """Means of what corrects for noise over the problems where all parts of it are defined."""
    known = np.isfinite(outcome.split).all(0)
    if not known.any():
        return np.full(len(outcome.split), np.nan)
    return np.average(outcome.split[:, known], axis=1, weights=outcome.weight[known])


def reliable(own: Float[np.ndarray, "parts rows"], conf: Agreement) -> Bool[np.ndarray, " rows"]:
    """Whether both methods agree with themselves enough to be corrected for."""
    return np.logical_and.reduce(own[1:3] > conf.min_half_reliability)


def itself(name: str) -> Pair:
    """A method beside itself: across halves, that is its reliability."""
    return Pair(name, name, False, False, False, cross_fit=False, halved=True)


def reliability(
    panel: Panel, split: Compared, traits: Mapping[str, MethodInfo], conf: Agreement
) -> pl.DataFrame:
    """The frame schema.RELIABILITY: that of whole samples under each control.

    1 where a method draws nothing; undefined under the control that takes it out, and where a
    method draws but has no half samples.
    """
    rows: list[tuple[str, str, str, str, float]] = []
    for name, vectors in panel.methods.items():
        drawn = name in traits and bool(traits[name].arms)
        fixed = 1.0 if np.isfinite(vectors.score).any() and not drawn else np.nan
        for measure in measures(conf):
            if measure.statistic not in CORRELATED:
                continue
            pair = itself(name)
            value = fixed
            if vectors.splits:
                half = _mean(by_problem(panel, split[pair, measure].mean)[1])
                value = float(full_reliability(half)[0])
            value = np.nan if taken(pair, measure, conf) else value
            rows.append((panel.model, name, measure.statistic, measure.control, value))
    return pl.DataFrame(rows, schema=dict(schema.RELIABILITY), orient="row")


def _mean(values: Float[np.ndarray, " problems"]) -> Float[np.ndarray, "1"]:
    known = values[np.isfinite(values)]
    return np.array([known.mean() if len(known) else np.nan])
