"""Hybrid decoding: two checkpoints read along, and a router says which of them writes a token.

Each keeps its own keys and values, so that neither reads a token twice.
Source: Base Models Know How to Reason, arXiv 2510.07364.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from harness.core.condition import Router
from harness.engines.hf.batch import Batch
from harness.engines.hf.rows import Base, Row, Side, Work
from harness.engines.stopping import Sentences, Stops
from harness.statistics.distributions import kl, shifted

NOISE = 1  # tells a router's noise from that of the draw

Logits = Float[Tensor, "rows vocab"]
States = Mapping[int, Float[Tensor, "rows width"]]


@dataclass(eq=False)
class Hybrid:
    """Two batches in step, slot by slot: that of the checkpoint that writes, and of the other."""

    own: Batch
    other: Batch
    stops: Stops
    twins: dict[int, Base] = field(default_factory=dict[int, Base])  # by number of the own base

    @property
    def slots(self) -> list[Row | None]:
        """The rollouts, None where a slot is empty."""
        return self.own.slots

    @property
    def running(self) -> list[int]:
        """Slots that hold a rollout."""
        return self.own.running

    def room(self, row: Row) -> bool:
        """Whether one more rollout can start now."""
        return self.own.room(row)

    def start(self, row: Row) -> tuple[int, Float[Tensor, " vocab"]]:
        """Give a rollout a slot of both; returns it and the logits of the rollout's first token."""
        work, base = row.work, row.work.base
        slot, own = self.own.start(row)
        if base.number not in self.twins:
            # What is done to blocks is done to the checkpoint that writes.
            self.twins[base.number] = Base(base.number, base.tokens, base.cuts)
        twin = Row(Work(work.request, self.twins[base.number]), row.draw, row.rng)
        other = self.other.start(twin)[1]
        rng = np.random.default_rng([work.request.seed, row.draw, NOISE])
        row.side = Side(rng, Sentences(self.stops))
        states = {n: state[None] for n, state in base.states[work.request.cut].items()}
        return slot, _routed([row], own[None], other[None], states)[0]

    def step(self) -> Float[Tensor, "slots vocab"]:
        """Feed both the newest tokens; returns the logits that the next are drawn from."""
        for row, twin in zip(self.own.slots, self.other.slots, strict=True):
            if row and twin:
                twin.newest = row.newest
        own, other = self.own.step(), self.other.step()
        states = {n: state[:, 0] for n, state in self.own.states.items()}
        return _routed(self.slots, own, other, states)

    def free(self, slot: int) -> None:
        """Empty a slot of both."""
        self.own.free(slot)
        self.other.free(slot)

    def compact(self) -> None:
        """Close the gaps of both, which are the same."""
        self.own.compact()
        self.other.compact()

    def retire(self) -> None:
        """Forget the prefixes that no rollout reads any more."""
        self.own.retire()
        self.other.retire()
        there = {base.number for base in self.own.bases}
        self.twins = {number: base for number, base in self.twins.items() if number in there}


def _routed(rows: Sequence[Row | None], own: Logits, other: Logits, states: States) -> Logits:
    """The logits of the checkpoint that writes next, which each row is told."""
    width = min(own.shape[-1], other.shape[-1])
    own, other = own[:, :width], other[:, :width]
    takes: list[bool] = []
    for row, value in zip(rows, _values(rows, own, other, states), strict=True):
        if row is None:
            takes.append(False)
            continue
        assert row.work.route
        row.routes = value >= row.work.route.threshold
        takes.append(row.routes)
    return torch.where(torch.tensor(takes, device=own.device)[:, None], other, own)


def _values(rows: Sequence[Row | None], own: Logits, other: Logits, states: States) -> list[float]:
    """What each row's router says of its next token."""
    found, known = [-inf] * len(rows), dict[Router, list[float]]()
    for i, row in enumerate(rows):
        if row is None:
            continue
        assert row.work.route
        router = row.work.route.router
        if router == "random":
            assert row.side
            found[i] = row.side.rng.random()
        elif router == "probe":
            found[i] = _probed(row, i, states)
        else:
            if router not in known:
                known[router] = _apart(router, own, other).tolist()
            found[i] = known[router][i]
    return found


def _probed(row: Row, i: int, states: States) -> float:
    """What the probe says where a sentence may begin, and elsewhere what it last said."""
    request, route, side = row.work.request, row.work.route, row.side
    assert route
    assert side
    whole = row.fed == len(request.extra)
    if whole and side.sentences.may_begin([*request.extra, *row.tokens]):
        state = states[route.layer][i].float().cpu()
        side.value = float(state @ torch.tensor(route.vector)) + route.bias
    return side.value


def _apart(router: Router, own: Logits, other: Logits) -> Float[Tensor, " rows"]:
    """How far two checkpoints are apart in what comes next, or how unsure the own one is."""
    if router == "disagreement":
        return (own.argmax(-1) != other.argmax(-1)).float()
    log_q = shifted(own.float().clone()).log_softmax(-1)
    if router == "entropy":
        return -torch.linalg.vecdot(log_q.exp(), log_q)
    log_p = shifted(other.float().clone()).log_softmax(-1)
    return kl(log_p.exp(), log_p, log_q)
