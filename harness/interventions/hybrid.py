"""Hybrid decoding: how much of what RL gained a few of its tokens bring back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.core import Compare, Condition, Evidence, Read, Route, Trace, UserError, Want
from harness.core.condition import Router
from harness.interventions.routed import PROBE, Arm, Routed, Writers, starts, target
from harness.interventions.validation.intervention import About
from harness.models.conditions import check_layer
from harness.models.model import declare
from harness.statistics.probes import Probe, ridge, threshold


@dataclass(frozen=True)
class Hybrid:
    """One checkpoint writes, and another takes over where a router says so.

    `base` writes ("" is the model itself), `other` takes over, behind the prompt of each trace.
    Thresholds are set for `shares` of the tokens on the traces of other problems; a share of its
    own has `disagreement`. For each of `methods` that the run has scores of, a probe learns there
    the standardised score of a sentence from the state behind block `layer` that predicts its first
    token, by ridge regression with the penalty `ridge`, and the other writes whole sentences.
    Value: P(correct) over `draws` rollouts, and (hybrid - base) / (other - base) over problems.
    Source: Base Models Know How to Reason, arXiv 2510.07364.
    """

    base: str
    other: str
    routers: tuple[Router, ...]
    methods: tuple[str, ...]
    shares: tuple[float, ...]
    draws: int
    layer: int
    ridge: float

    def __post_init__(self) -> None:
        if not self.shares or not all(0 < share < 1 for share in self.shares):
            raise UserError("validate.hybrid.shares: must lie between 0 and 1, at least one")
        if self.draws < 1:
            raise UserError(f"validate.hybrid.draws: must be at least 1, got {self.draws}")
        if self.ridge <= 0:
            raise UserError(f"validate.hybrid.ridge: must be above 0, got {self.ridge:g}")
        if PROBE in self.routers:
            raise UserError("validate.hybrid.routers: probes are named by `methods`")

    @property
    def reads(self) -> Read:
        """The writing checkpoint's own entropies, and its states where probes need them."""
        layers = (self.layer,) if self.methods else ()
        return Read(entropy=True, states=layers, condition=Condition(self.base))

    @property
    def compares(self) -> Compare:
        """The two checkpoints over the trace."""
        return Compare(Condition(self.other), Condition(self.base))

    def prepared(self, about: About) -> "Unfitted":
        """Ready to learn; raises UserError for a checkpoint or a layer that is not there.

        And for an engine, or a tokenizer of the other checkpoint, that cannot do it.
        """
        model = about.model
        assert model is not None
        for name in (self.base, self.other):
            if name and name not in model.checkpoints:
                raise UserError(f"needs a second checkpoint; {declare(name)}")
        one, two = (model.checkpoints[n] if n else model.path for n in (self.base, self.other))
        if one == two:
            raise UserError("base and other are one checkpoint, so there is nothing to recover")
        check_layer(self.layer, about.blocks)
        about.able(self.base, (Route(self.other, "random", 1.0),))
        return Unfitted(self, about.signed)


@dataclass(frozen=True, eq=False)
class Unfitted:
    """Before thresholds and probes are known."""

    conf: Hybrid
    signed: frozenset[str]

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """Both checkpoints over the trace."""
        return [self.conf.reads, self.conf.compares]

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> Routed:
        """Thresholds and probes from the tokens and sentences of these traces."""
        arms = [arm for router in self.conf.routers for arm in self._by_token(router, evidence)]
        probes: dict[str, Probe] = {}
        for name in self.conf.methods:
            seen = [*zip(traces, evidence, strict=True)]
            known = np.concatenate([target(name, t, have, self.signed) for t, have in seen])
            if np.isnan(known).all():
                continue
            states = np.concatenate([starts(t, have, self.conf.reads) for t, have in seen])
            defined = ~np.isnan(known) & ~np.isnan(states).any(1)
            probes[name] = ridge(states[defined], known[defined], self.conf.ridge)
            arms += self._by_sentence(name, probes[name], traces, states)
        return self._routed(arms, probes)

    def foreseen(self) -> Routed:
        """With every share for its own threshold, and a probe for each method."""
        arms = [arm for router in self.conf.routers for arm in self._by_share(router)]
        for number, name in enumerate(self.conf.methods):
            vector = (float(number),)
            arms += [
                Arm(PROBE, name, share, Route(self.conf.other, PROBE, share, 0, vector))
                for share in self.conf.shares
            ]
        return self._routed(arms, {})

    def _by_share(self, router: Router) -> Iterator[Arm]:
        shares = [1.0] if router == "disagreement" else self.conf.shares
        yield from (Arm(router, None, at, Route(self.conf.other, router, at)) for at in shares)

    def _routed(self, arms: Sequence[Arm], probes: Mapping[str, Probe]) -> Routed:
        writers = Writers(self.conf.base, self.conf.other, self.conf.draws)
        return Routed(writers, self.conf.reads, self.signed, tuple(arms), probes)

    def _by_token(self, router: Router, evidence: Sequence[Evidence]) -> Iterator[Arm]:
        """The arms of a router that looks at single tokens."""
        if router == "disagreement":
            yield Arm(router, None, None, Route(self.conf.other, router, 1.0))
            return
        values = np.zeros(0)
        if router != "random":
            values = np.concatenate([_values(router, have, self.conf) for have in evidence])
        for share in self.conf.shares:
            at = 1 - share if router == "random" else threshold(values, np.ones_like(values), share)
            yield Arm(router, None, share, Route(self.conf.other, router, at))

    def _by_sentence(
        self, name: str, probe: Probe, traces: Sequence[Trace], states: np.ndarray
    ) -> Iterator[Arm]:
        """The arms of a probe, whose sentences are written whole."""
        lengths = [sentence.stop - sentence.start for t in traces for sentence in t.sentences]
        values = probe.of(states)
        for share in self.conf.shares:
            at = threshold(values, np.array(lengths, float), share)
            vector = tuple(float(x) for x in probe.vector)
            route = Route(self.conf.other, PROBE, at, self.conf.layer, vector, probe.bias)
            yield Arm(PROBE, name, share, route)


def _values(router: Router, have: Evidence, conf: Hybrid) -> np.ndarray:
    """What a router says of each token that has a value."""
    entropy = have.found(conf.reads).entropy
    assert entropy is not None
    values = have.found(conf.compares).kl if router == "kl" else entropy
    return np.asarray(values, float)[~np.isnan(values)]
