"""How alike score vectors place the sentences of each trace, every two of them at once.

Each statistic is the inner product of what two vectors are turned into, minus what chance gives.
A vector that is constant in a trace has no agreement there: NaN.
"""

from dataclasses import dataclass
from math import ceil, log

import numpy as np
from jaxtyping import Float

from harness.agreement.ranks import Rows, Standing
from harness.agreement.settings import Agreement, Control, Statistic

NEGLIGIBLE = 1e-6  # weight of the depths below which a rank-biased overlap is not followed
Square = Float[np.ndarray, "traces vectors vectors"]
PerTrace = Float[np.ndarray, " traces"]


@dataclass(frozen=True)
class Measure:
    """A statistic under a control.

    `fraction` is the one of the curve of agreement_by_k that a topk belongs to, None elsewhere.
    """

    statistic: Statistic
    control: Control
    fraction: float | None


@dataclass(frozen=True, eq=False)
class Similarity:
    """Agreement of every two vectors in each trace, 0 at chance, and what chance was before."""

    value: Square
    chance: PerTrace


def similarity(measure: Measure, scores: Rows, stand: Standing, conf: Agreement) -> Similarity:
    """One statistic of raw scores, -1 or chance at worst and 1 at best."""
    match measure.statistic:
        case "spearman":
            found = cosine(stand.centred)
        case "topdown":
            found = cosine(stand.savage)
        case "kendall":
            found = cosine(stand.signs)
        case "weighted_tau":
            found = weighted_tau(stand)
        case "rbo":
            found = rbo(stand, conf.persistence)
        case "topk":
            found = overlap(stand, depth(stand.size, measure.fraction, conf))
        case "top1":
            found = overlap(stand, np.ones_like(stand.size))
        case "sign":
            found = sign_agreement(scores, stand)
    flat = stand.flat
    if measure.statistic == "sign":
        return found
    either = flat[:, :, None] | flat[:, None, :]
    return Similarity(np.where(either, np.nan, found.value), found.chance)


def gram(x: np.ndarray, y: np.ndarray) -> Square:
    """Inner products of the vectors of each trace."""
    return (x @ np.swapaxes(y, -1, -2)).astype(np.float64)


def cosine(rows: np.ndarray) -> Similarity:
    """Inner products over the roots of the squares: Spearman of centred ranks, tau-b of signs."""
    inner = gram(rows, rows)
    square = np.diagonal(inner, axis1=-2, axis2=-1)
    norm = np.sqrt(square[:, :, None] * square[:, None, :])
    value = np.clip(inner / np.where(norm > 0, norm, np.nan), -1, 1)
    return Similarity(value, np.zeros(len(rows)))


def weighted_tau(stand: Standing) -> Similarity:
    """Kendall's tau with a pair of sentences weighted 1/rank + 1/rank (Vigna 2015).

    Ranked once by either vector, and averaged; tied sentences share the mean of their weights.
    """
    traces, vectors, width = stand.above.shape
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1.0, width + 1))])
    top, tied = stand.above.astype(int), stand.tied.astype(int)
    weight = np.where(stand.inside, (harmonic[top + tied] - harmonic[top]) / tied, 0.0)
    sign = stand.signs.reshape(traces, vectors, width, width)
    heavy = sign * weight[..., None].astype(np.float32)
    inner = gram(heavy.reshape(stand.signs.shape), stand.signs)
    pairs = gram(weight, np.where(stand.inside, stand.size - stand.tied, 0.0))
    own = np.diagonal(pairs, axis1=-2, axis2=-1)[..., None]
    norm = np.sqrt(own * pairs)
    tau = inner / np.where(norm > 0, norm, np.nan)
    return Similarity(np.clip((tau + np.swapaxes(tau, -1, -2)) / 2, -1, 1), np.zeros(traces))


def depth(
    size: Float[np.ndarray, " *traces"], fraction: float | None, conf: Agreement
) -> Float[np.ndarray, " *traces"]:
    """How many of so many sentences are the top: of a fraction, else what topk takes for anchors.

    The latter are at least `top_least`, as k = 1 or 2 tells little (a detector of AUROC .95 reaches
    an overlap of .22), but at most a part of the trace.
    """
    if fraction is not None:
        return np.maximum(1, np.rint(fraction * size))
    wanted = np.maximum(conf.top_least, np.rint(conf.top_fraction * size))
    return np.maximum(1, np.minimum(wanted, size // conf.top_part))


def overlap(stand: Standing, top: Float[np.ndarray, "traces 1 1"]) -> Similarity:
    """Overlap of the highest so many sentences, beyond chance.

    A sentence counts by its probability of being chosen when ties at the edge are drawn at random,
    so three non-zero scores of sixty overlap themselves at .53 before the correction.
    """
    chosen = stand.chosen(top)
    return _corrected(gram(chosen, chosen) / top, (top / stand.size)[:, 0, 0])


def rbo(stand: Standing, persistence: float) -> Similarity:
    """Rank-biased overlap, extrapolated (Webber et al. 2010), ties drawn at random on average.

    The overlap at depth d counts (1 − p) pᵈ⁻¹; both lists hold the same n sentences, so that all
    below counts as overlapping.
    """
    size = stand.size
    deepest = min(stand.inside.shape[-1], ceil(log(NEGLIGIBLE) / log(persistence)))
    depths = np.arange(1.0, deepest + 1)
    counts = (1 - persistence) * persistence ** (depths - 1) * (depths <= size)
    rest = 1 - counts.sum(-1)[:, 0]
    chosen = stand.chosen_at(depths)
    chosen *= np.sqrt(counts / depths).astype(np.float32)[:, :, None]
    chosen = chosen.reshape(*chosen.shape[:2], -1)
    chance = (counts * depths / size).sum(-1)[:, 0] + rest
    return _corrected(gram(chosen, chosen) + rest[:, None, None], chance)


def _corrected(overlap: Square, chance: PerTrace) -> Similarity:
    most = np.where(chance < 1 - 1e-9, 1 - chance, np.nan)
    return Similarity((overlap - chance[:, None, None]) / most[:, None, None], chance)


def sign_agreement(scores: Rows, stand: Standing) -> Similarity:
    """Cohen's kappa of the signs of two vectors, over the sentences where neither is 0.

    A vector of one sign alone tells nothing of the other: 0, not undefined.
    """
    sign = np.where(stand.inside, np.sign(scores), 0.0)
    known = np.abs(sign)
    number = gram(known, known)
    total = np.where(number > 0, number, np.nan)
    one = gram(sign, known) / total
    by_chance = one * np.swapaxes(one, -1, -2)
    most = np.where(by_chance < 1 - 1e-12, 1 - by_chance, np.nan)
    kappa = (gram(sign, sign) / total - by_chance) / most
    return Similarity(np.where(by_chance < 1 - 1e-12, kappa, 0 * total), np.zeros(len(sign)))
