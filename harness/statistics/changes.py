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
Means = Float[np.ndarray, "boundaries boundaries answers"]


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
    known, means = stretches(counts, alpha)
    each = [at_rate(known, means, rate) for rate in rates]
    weight = np.array([one.evidence for one in each])
    share = np.exp(weight - logsumexp(weight))
    p = np.einsum("r,rba->ba", share, np.array([one.p for one in each]))
    change = share @ np.array([one.change for one in each])
    return Smoothed(p, change, float(logsumexp(weight) - np.log(len(rates))))


def stretches(counts: Counts, alpha: float) -> tuple[Stretches, Means]:
    """Of the stretch from each boundary (row) to each (column) log P of its draws and their mean.

    -inf and the prior's where it would end before it begins.
    """
    width = counts.shape[1]
    total = np.concatenate([np.zeros((1, width), np.int64), np.cumsum(counts, axis=0)])
    found = np.maximum(total[None, 1:] - total[:-1, None], 0)
    log_p = np.where(np.tri(len(counts), dtype=bool).T, likelihood(found, alpha), -np.inf)
    return log_p, (found + alpha / width) / (found.sum(axis=-1) + alpha)[..., None]


def at_rate(log_p: Stretches, means: Means, rate: float) -> Smoothed:
    """The same at one rate, in (0, 1), of what is known of all stretches."""
    n = len(log_p)
    start, stop = np.arange(n)[:, None], np.arange(n)
    prior = np.where(start > 0, np.log(rate), 0.0) + (stop - start) * np.log1p(-rate)
    own = log_p + prior
    before, behind = _chains(own)
    weight = np.exp(before[:-1, None] + own + behind[None, 1:] - before[-1])
    flow, last = np.einsum("ij,ija->ia", weight, means), np.einsum("ij,ija->ja", weight, means)
    # A stretch counts from its first boundary on, and no more behind its last.
    steps = flow - np.concatenate([np.zeros((1, means.shape[-1])), last[:-1]])
    return Smoothed(np.cumsum(steps, axis=0), weight.sum(axis=1)[1:], float(before[-1]))


def likelihood(
    counts: Int[np.ndarray, "*stretches answers"], alpha: float
) -> Float[np.ndarray, "*stretches"]:
    """Log P of the draws of stretches, in an order, if each has one distribution of the prior."""
    size, share = counts.sum(axis=-1), alpha / counts.shape[-1]
    every = np.arange(int(size.max(initial=0)) + 1)  # looked up: much faster than each by itself
    apart = (gammaln(every + share) - gammaln(share))[counts].sum(axis=-1)
    return apart + gammaln(alpha) - gammaln(every + alpha)[size]


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
