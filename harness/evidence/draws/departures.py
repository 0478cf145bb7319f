"""Departures: how probable the trace's own sentences are, and how rollouts leave them.

A rollout from a boundary either writes the next sentence token for token, which has a known
probability, or leaves it at some token: at token t with the probability of those before it times
1 - p_t, and there takes another one as sampling does, given that it is another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from harness.core import Depart, Departure, Departures, Trace, UserError
from harness.core.seeds import derive
from harness.evidence.passes import filled
from harness.models.edits import untouched
from harness.models.forward import BLOCK, Pass, logits, passes, reading
from harness.models.model import Subject
from harness.statistics.distributions import as_sampled, others

Log = Float[np.ndarray, " tokens"]


@dataclass(frozen=True)
class Leaving:
    """A draw that leaves behind `kept` tokens, at the trace's token `at`; `share` in [0, 1)."""

    boundary: int
    kept: int
    at: int
    share: float  # of the mass of the other tokens, up to the one it takes


def departures(
    subject: Subject, trace: Trace, want: Depart, sampling: tuple[float, float], seed: int
) -> Departures:
    """What `want` asks for, in one pass; `sampling` is temperature and top-p, `seed` the run's.

    Raises UserError where there are no weights to read with.
    """
    try:
        _ = subject.model
    except UserError as error:
        raise UserError(
            f"arm {want.arm}: without weights there are no probabilities of the trace's own "
            f"sentences; choose estimator=plain ({error})"
        ) from None
    (_, made), *_ = passes(subject, trace, [untouched(trace)])
    found = reading(made, trace.token_ids, sampling).sampled
    assert found is not None
    spans = [slice(s.start, s.stop) for s in trace.sentences]
    each = [filled(found, made.tokens, trace)[span].astype(np.float64) for span in spans]
    leaving = [
        Leaving(k, kept, spans[k].start + kept, share)
        for k, log_p in enumerate(each)
        for kept, share in places(log_p, noise(seed, trace.id, want, k))
    ]
    tokens = taken(made, trace.token_ids, sampling, leaving)
    ways: list[list[Departure]] = [[] for _ in range(len(spans) + 1)]
    for way, token in zip(leaving, tokens, strict=True):
        ways[way.boundary].append(Departure(way.kept, token))
    return Departures(np.array([of_sentence(log_p) for log_p in each]), tuple(map(tuple, ways)))


def noise(seed: int, owner: str, want: Depart, boundary: int) -> Float[np.ndarray, "draws 2"]:
    """Two numbers in [0, 1) a draw, the same however many draws are wanted."""
    parts = (seed, owner, want.arm, boundary)
    seeds = (derive("departure", *parts, draw) for draw in range(want.n))
    return np.array([np.random.default_rng(one).random(2) for one in seeds]).reshape(want.n, 2)


def of_sentence(log_p: Log) -> float:
    """Log p of a whole sentence; 0 for one without tokens."""
    return float(np.minimum(log_p, 0.0).sum())


def places(log_p: Log, shares: Float[np.ndarray, "draws 2"]) -> Iterator[tuple[int, float]]:
    """How many tokens of a sentence each draw keeps, and what is left of its noise.

    Nothing where it is never left, or where a probability is not known.
    """
    log_p = np.minimum(log_p, 0.0)
    reach = np.exp(np.concatenate([[0.0], np.cumsum(log_p)[:-1]]))[: len(log_p)]
    left = np.cumsum(reach * -np.expm1(log_p))
    if not len(left) or not left[-1] > 0:  # NaN is not above 0, either
        return
    # Strictly below the whole, so that rounding never reaches a token that is never left.
    goals = np.minimum(shares[:, 0] * left[-1], np.nextafter(left[-1], 0))
    kept = np.searchsorted(left, goals, side="right")
    yield from zip(kept.tolist(), shares[:, 1].tolist(), strict=True)


@torch.inference_mode()
def taken(
    made: Pass, token_ids: Sequence[int], sampling: tuple[float, float], leaving: Sequence[Leaving]
) -> list[int]:
    """The token that each draw takes in the place of the trace's own."""
    at = dict[int, list[int]]()
    row = {token: i for i, token in enumerate(made.tokens.tolist())}
    for i, way in enumerate(leaving):
        at.setdefault(way.at, []).append(i)
    found, device = [-1] * len(leaving), made.final.device
    for start in range(0, len(at), BLOCK):
        some = sorted(at)[start : start + BLOCK]
        final = made.final[torch.tensor([row[t] for t in some], device=device)]
        log_p = as_sampled(logits(made.model, final), *sampling)
        own = torch.tensor([token_ids[t] for t in some], device=device)
        for t, p in zip(some, others(log_p, own), strict=True):
            for i, token in zip(at[t], inverse(p, [leaving[i].share for i in at[t]]), strict=True):
                found[i] = token
    return found


def inverse(p: Float[Tensor, " vocab"], shares: Sequence[float]) -> list[int]:
    """The tokens at which the cumulative mass passes some shares of it."""
    mass = p.cumsum(0)
    goals = torch.tensor(shares, dtype=p.dtype, device=p.device) * mass[-1]
    least = torch.nextafter(mass[-1], torch.zeros_like(mass[-1]))
    return torch.searchsorted(mass, torch.minimum(goals, least), right=True).tolist()
