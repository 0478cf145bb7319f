"""How many rollouts leave each sentence: as many everywhere, or most where they tell most.

Allotted draws come in two halves, each an arm. The first draws of a half, its pilot, say how many
the other half gets at each boundary (Neyman: as the root of variance by cost). So how many there
are of a half never rests on what its own say: each half is unbiased, and both count equally. A
trace is allotted by itself, at a price that is fixed: other traces and processes change nothing,
and what is stored says how to go on.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from harness.core import Depart, Departures, Draw, Evidence, Rollouts, Trace
from harness.statistics.distances import Values, answers, sweep
from harness.statistics.mixtures import weights

LEAVE, SECOND = "leave", "leave_second"
# Tried in simulation (tests/benchmarks/test_schedules_bench.py): five rollouts alone miss rare
# answers, and where they give one answer there would be no more.
NEAR = 2.0  # boundaries by which neighbours count a part 1/e
PRIOR = 2.0  # rollouts that the mean of the neighbours counts as

Numbers = Int[np.ndarray, " boundaries"]
Boundaries = Float[np.ndarray, " boundaries"]
Drawn = Int[np.ndarray, "boundaries answers"]


def arms(have: Evidence) -> tuple[str, ...]:
    """The kinds of rollouts that leave, one a half."""
    return (LEAVE, SECOND) if have.pilot else (LEAVE,)


def leaving(trace: Trace, have: Evidence) -> list[Depart | Draw]:
    """How rollouts leave the trace's sentences and, where that is known, such rollouts.

    Where they are allotted, the pilots first, and once these are there the others, too.
    """
    asked = [Depart(arm, have.draws) for arm in arms(have)]
    wanted: list[Depart | Draw] = [*asked]
    if any(depart not in have.answers for depart in asked):
        return wanted
    known = [have.found(depart) for depart in asked]
    most = [np.array([*map(len, each.ways[:-1]), have.draws]) for each in known]
    numbers = _allotted(trace, have, known, most) if have.pilot else most
    for arm, each, some in zip(arms(have), known, numbers, strict=True):
        drawn = [(k, n) for k, n in enumerate(some.tolist()) if n]
        wanted += [Draw(k, n, arm=arm, leaving=each.ways[k][:n]) for k, n in drawn]
    return wanted


def _allotted(
    trace: Trace, have: Evidence, known: Sequence[Departures], most: Sequence[Numbers]
) -> list[Numbers]:
    """The draws of each half: its pilot, or once all are there what the other half's says."""
    pilots = [np.minimum(each, -(-have.pilot // 2)) for each in most]
    every = [sweep(have, arm, len(trace.sentences) + 1) for arm in arms(have)]
    seen = [
        [_first(rollouts, int(n)) for rollouts, n in zip(half, pilot, strict=True)]
        for half, pilot in zip(every, pilots, strict=True)
    ]
    if any([*map(len, s)] != pilot.tolist() for s, pilot in zip(seen, pilots, strict=True)):
        return pilots
    found = []
    for own, other in ((0, 1), (1, 0)):
        outcomes = answers(seen[other])
        counts, cost = outcomes.count(outcomes.column >= 0), lengths(seen[other], known[other])
        told = np.round(have.draws / 2 * worth(counts, known[own].logprob, cost)).astype(np.int64)
        found.append(np.minimum(np.maximum(told, pilots[own]), most[own]))
    return found


def _first(rollouts: Rollouts, n: int) -> Rollouts:
    return rollouts.take(rollouts.draw < n)


def lengths(seen: Sequence[Rollouts], known: Departures) -> Boundaries:
    """Mean tokens drawn at each boundary, those kept of the trace left out; NaN where none are."""
    found = np.full(len(seen), np.nan)
    for k, (rollouts, ways) in enumerate(zip(seen, known.ways, strict=True)):
        if len(rollouts) and rollouts.n_tokens is not None:
            kept = [ways[draw].kept for draw in rollouts.draw] if ways else [0]
            found[k] = max(1.0, float(rollouts.n_tokens.mean() - np.mean(kept)))
    return found


def worth(pilot: Drawn, logprob: Values, cost: Boundaries) -> Boundaries:
    """Draws that each boundary is to have, in multiples of those where two answers are even.

    The summed variance of differences of neighbouring boundaries is least for its cost if they are
    in proportion. `pilot` counts answers, `logprob` is log p in nats that a sentence is written as
    it stands, `cost` the tokens of a draw, relative to the trace's mean; unknown ones cost that.
    """
    share = _near(pilot)
    q = (pilot + PRIOR * share) / (pilot.sum(axis=-1, keepdims=True) + PRIOR)
    spread = np.where(share.sum(axis=-1) > 0, 1 - (q**2).sum(axis=-1), 0.5)
    spread = np.maximum(spread, 0.0)  # below by rounding where there is one answer
    mean = np.nanmean(cost) if np.isfinite(cost).any() else 1.0
    price = np.where(np.isnan(cost), 1.0, cost / mean)
    return np.sqrt(matters(logprob) * spread / price)


def matters(logprob: Values) -> Boundaries:
    """By boundary the factor of its variance in the summed variance of all differences.

    P_(i-1) - P_i is 1 - p times what leaves sentence i against the mixture behind it.
    """
    left = np.append(-np.expm1(np.minimum(logprob, 0.0)), 0.0)
    behind = np.nan_to_num(weights(logprob))[1:]
    own, after = np.nan_to_num(left) ** 2, np.nan_to_num(left[:-1, None]) ** 2 * behind**2
    return own + after.sum(axis=0)


def _near(counts: Drawn) -> Float[np.ndarray, "boundaries answers"]:
    """The answers at each boundary and around it; rows of 0 where there are none at all."""
    n, place = counts.sum(axis=-1), np.arange(len(counts))
    share = counts / np.maximum(n, 1)[:, None]
    weight = np.exp(-np.abs(place[:, None] - place) / NEAR) * (n > 0)
    return weight @ share / np.maximum(weight.sum(axis=-1, keepdims=True), np.finfo(float).tiny)
