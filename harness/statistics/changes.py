"""Change-points along the boundaries of a trace: which sentences change the answers, and how.

The answers at neighbouring boundaries are taken to be the same but where a sentence changes them.
All ways of cutting the boundaries into stretches of one distribution count by how probable they
make the counts (Barry and Hartigan, 1992), so the distribution at each is a mean over them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import gammaln, logsumexp

Counts = Int[np.ndarray, "boundaries answers"]
Stretches = Float[np.ndarray, "boundaries boundaries"]


@dataclass(frozen=True, eq=False)
class Smoothed:
    """Posterior means: the answers at each boundary, and how probable each sentence changes them.

    `evidence` is log P(counts), in nats.
    """

    p: Float[np.ndarray, "boundaries answers"]
    change: Float[np.ndarray, " sentences"]
    evidence: float


def smoothed(counts: Counts, rates: Sequence[float], alpha: float) -> Smoothed:
    """The mean over some rates of change, each by how well it explains the counts.

    A rate is P(a sentence changes the answers); `alpha` is the mass of the Dirichlet prior of a
    stretch's answers, shared evenly. A boundary without draws has its neighbours' answers.
    """
    each = [at_rate(counts, rate, alpha) for rate in rates]
    known = np.array([one.evidence for one in each])
    share = np.exp(known - logsumexp(known))
    p = np.einsum("r,rba->ba", share, np.array([one.p for one in each]))
    change = share @ np.array([one.change for one in each])
    return Smoothed(p, change, float(logsumexp(known) - np.log(len(rates))))


def at_rate(counts: Counts, rate: float, alpha: float) -> Smoothed:
    """The same at one rate, in (0, 1)."""
    n, width = counts.shape
    total = np.concatenate([np.zeros((1, width)), np.cumsum(counts, axis=0)])
    found = total[None, 1:] - total[:-1, None]  # of the stretch from i (row) to j (column)
    size = found.sum(axis=-1)
    start, stop = np.arange(n)[:, None], np.arange(n)
    prior = np.where(start > 0, np.log(rate), 0.0) + (stop - start) * np.log1p(-rate)
    own = np.where(start <= stop, prior + likelihood(np.maximum(found, 0), alpha), -np.inf)
    before, behind = _chains(own)
    weight = np.exp(before[:-1, None] + own + behind[None, 1:] - before[-1])
    mean = (np.maximum(found, 0) + alpha / width) / (np.maximum(size, 0) + alpha)[..., None]
    flow = weight[..., None] * mean
    # A stretch counts from its first boundary on, and no more behind its last.
    steps = flow.sum(axis=1) - np.concatenate([np.zeros((1, width)), flow.sum(axis=0)[:-1]])
    return Smoothed(np.cumsum(steps, axis=0), weight.sum(axis=1)[1:], float(before[-1]))


def likelihood(
    counts: Float[np.ndarray, "*stretches answers"], alpha: float
) -> Float[np.ndarray, "*stretches"]:
    """Log P of the draws of stretches, in an order, if each has one distribution of the prior."""
    width = counts.shape[-1]
    size, share = counts.sum(axis=-1), alpha / width
    apart = (gammaln(counts + share) - gammaln(share)).sum(axis=-1)
    return apart + gammaln(alpha) - gammaln(size + alpha)


def _chains(own: Stretches) -> tuple[Float[np.ndarray, " cuts"], Float[np.ndarray, " cuts"]]:
    """Log mass of all ways to cut what lies before each boundary, and from it on."""
    n = len(own)
    before, behind = np.full(n + 1, -np.inf), np.full(n + 1, -np.inf)
    before[0] = behind[n] = 0.0
    for j in range(1, n + 1):
        before[j] = logsumexp(before[:j] + own[:j, j - 1])
    for i in reversed(range(n)):
        behind[i] = logsumexp(own[i, i:] + behind[i + 1 :])
    return before, behind
