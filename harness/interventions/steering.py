"""Steering: does base do what RL does if its states are pushed the way RL's differ?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from pydantic import Field

from harness.agreement import Agreement
from harness.core import PLAIN, Condition, Draw, Evidence, Read, Trace, UserError, Want
from harness.interventions.steered.effects import (
    BIAS,
    ELSEWHERE,
    ELSEWHERE_STEERED,
    MODEL,
    STEERED,
    effects,
)
from harness.interventions.steered.naming import Named, elsewhere
from harness.interventions.steered.pushes import (
    ARM,
    Push,
    Vector,
    averaged,
    best,
    moved,
    nulls,
    read_again,
)
from harness.interventions.steered.rows import of_draws, of_place, rows_frame
from harness.interventions.steered.weights import weighted
from harness.interventions.validation.effects import summary_frame
from harness.interventions.validation.intervention import About
from harness.models.conditions import check_layer

Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Steering:
    """What a vector between two checkpoints does at some sentences, to the answer and to the words.

    The vector is the difference, `checkpoint` − model, of the mean states that predict the first
    `tokens` tokens of the sentences `at`, over the same tokens. It is added while the model writes
    such a sentence; the model goes on alone. Layer and scale are those with the highest P(correct)
    on the calibration folds. P(correct) of each condition is that of the model's `draws` rollouts
    with their first sentences weighted by how likely the condition makes them; NaN where the
    effective share of the draws is below `min_share`. `check` rollouts are drawn under the steering
    itself. Beside it: the same length of the difference over all tokens (bias alone), `randoms`
    random vectors, and the vector at other sentences. Gap recovered: (steered − model) /
    (checkpoint − model), the checkpoint writing the one sentence.

    Source: Venhoff et al., Base Models Know How to Reason, arXiv 2510.07364, who choose layer and
    strength otherwise.
    """

    checkpoint: str
    at: Named
    layers: tuple[int, ...] | None
    depths: tuple[float, ...]
    scales: tuple[float, ...]
    tokens: Count
    randoms: Count
    draws: Count
    check: Annotated[int, Field(ge=0)]
    until: Literal["end", "answer"]
    words: Count
    min_share: float
    min_problems: Count
    seed: int

    def prepared(self, about: About) -> "Aiming":
        """At layers that there are; raises UserError for others, and without a checkpoint."""
        about.with_checkpoint(self.checkpoint)
        layers = self.layers or tuple(
            dict.fromkeys(round(depth * (about.blocks - 1)) for depth in self.depths)
        )
        for layer in layers:
            check_layer(layer, about.blocks)
        return Aiming(self, layers)

    def draw(self, place: int) -> Draw:
        """The model's own rollouts behind which first sentences are weighted."""
        return Draw(place, self.draws, until=self.until, arm=ARM)


@dataclass(frozen=True, eq=False)
class Aiming:
    """Before there are vectors: the states of both checkpoints are wanted."""

    conf: Steering
    layers: tuple[int, ...]

    @property
    def reads(self) -> tuple[Read, Read]:
        """Of the model, of the other."""
        other = Condition(self.conf.checkpoint)
        return Read(states=self.layers), Read(states=self.layers, condition=other)

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """The states of both over the trace."""
        return self.reads if self.conf.at.of(trace, have.scores) else []

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> "Trying":
        """The vectors; raises UserError for fewer problems than they need."""
        at, problems = list[tuple[Mapping[int, Vector], Mapping[int, Vector]]](), set[str]()
        for trace, have in zip(traces, evidence, strict=True):
            if places := self.conf.at.of(trace, have.scores):
                mine, other = (have.found(read).states for read in self.reads)
                at.append(moved(trace, places, self.conf.tokens, mine, other))
                problems.add(trace.problem.id)
        if len(problems) < self.conf.min_problems:
            raise UserError(
                f"{len(problems)} calibration problems have such sentences and a vector needs "
                f"{self.conf.min_problems}; raise problems.limit"
            )
        vectors, biases = (averaged([pair[i] for pair in at]) for i in (0, 1))
        return Trying(self.conf, vectors, biases)

    def foreseen(self) -> "Trying":
        """With a vector of one number for each layer, which nobody reads."""
        vectors = {layer: np.full(1, float(n + 1)) for n, layer in enumerate(self.layers)}
        return Trying(self.conf, vectors, vectors)


@dataclass(frozen=True, eq=False)
class Trying:
    """With vectors by layer: each layer and scale is tried on rollouts of calibration folds."""

    conf: Steering
    vectors: Mapping[int, Vector]
    biases: Mapping[int, Vector]

    @property
    def candidates(self) -> list[tuple[int, float]]:
        """Layer and scale."""
        return [(layer, scale) for layer in self.vectors for scale in self.conf.scales]

    def push(self, layer: int, scale: float) -> Push:
        """The vector of a candidate."""
        return Push(layer, self.vectors[layer] * scale)

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """The model's rollouts at the sentences, and what each candidate makes of them."""
        found: list[Want[Any]] = []
        for place in self.conf.at.of(trace, have.scores):
            found.append(self.conf.draw(place))
            if (ARM, place) in have.rollouts:
                found.append(read_again(place, PLAIN))
                conditions = (self.push(*each).at(place) for each in self.candidates)
                found += [read_again(place, condition) for condition in conditions]
        return found

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> "Applied":
        """The best layer and scale; raises UserError where none leaves enough draws."""
        places = [
            (place, have.rollouts[ARM, place])
            for trace, have in zip(traces, evidence, strict=True)
            for place in self.conf.at.of(trace, have.scores)
        ]
        tried = {
            each: [weighted(r, self.push(*each).at(k), self.conf.words) for k, r in places]
            for each in self.candidates
        }
        return self._applied(*best(tried, self.conf.min_share))

    def foreseen(self) -> "Applied":
        """With the first layer and scale."""
        return self._applied(*self.candidates[0])

    def _applied(self, layer: int, scale: float) -> "Applied":
        push = self.push(layer, scale)
        others = nulls(self.conf.seed, self.conf.randoms, push, self.biases[layer])
        return Applied(self.conf, (layer, scale), {STEERED: push, **others})


@dataclass(frozen=True, eq=False)
class Applied:
    """With the layer and scale that were chosen: what the vector and its nulls do."""

    conf: Steering
    chosen: tuple[int, float]
    pushes: Mapping[str, Push]

    def conditions(self, place: int) -> dict[str, Condition]:
        """Under which the model's rollouts at a sentence are looked at."""
        pushed = {name: push.at(place) for name, push in self.pushes.items()}
        return {MODEL: PLAIN, self.conf.checkpoint: Condition(self.conf.checkpoint), **pushed}

    def elsewhere(self, place: int) -> dict[str, Condition]:
        """The same at other sentences."""
        return {ELSEWHERE: PLAIN, ELSEWHERE_STEERED: self.pushes[STEERED].at(place)}

    def looked_at(self, trace: Trace, have: Evidence) -> Iterator[tuple[int, dict[str, Condition]]]:
        """Boundaries with the conditions that are of interest there."""
        places = self.conf.at.of(trace, have.scores)
        yield from ((place, self.conditions(place)) for place in places)
        yield from (
            (place, self.elsewhere(place)) for place in elsewhere(trace, places, self.conf.seed)
        )

    def checks(self, place: int) -> dict[str, tuple[Draw, Draw]]:
        """What is drawn for a check: the sentence, then the model going on behind it."""
        other, n = self.conf.checkpoint, self.conf.check
        by = {
            name: (self.pushes[name].at(place), f"{self.pushes[name].digest}-{place}")
            for name in (STEERED, BIAS)
        }
        return {
            name: (
                Draw(place, n, until="sentence", arm=f"by-{who}", condition=condition),
                Draw(place, n, until=self.conf.until, arm=f"behind-{who}", of=f"by-{who}"),
            )
            for name, (condition, who) in {**by, other: (Condition(other), other)}.items()
            if n
        }

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """Rollouts of the model, what each condition makes of them, and the rollouts that check."""
        found: list[Want[Any]] = []
        for place, conditions in self.looked_at(trace, have):
            found.append(self.conf.draw(place))
            if (ARM, place) in have.rollouts:
                found += [read_again(place, condition) for condition in conditions.values()]
        for place in self.conf.at.of(trace, have.scores):
            found += [draw for pair in self.checks(place).values() for draw in pair]
        return found

    def rows(self, trace: Trace, evidence: Evidence) -> pl.DataFrame:
        """P(correct), likeness to the checkpoint's opening and effective share by condition."""
        found: list[dict[str, Any]] = []
        for place, conditions in self.looked_at(trace, evidence):
            drawn = evidence.rollouts[ARM, place]
            each = {n: weighted(drawn, c, self.conf.words) for n, c in conditions.items()}
            found += of_place(place, each, self.conf.checkpoint, self.conf.min_share)
        for place in self.conf.at.of(trace, evidence.scores):
            for part, (_, behind) in self.checks(place).items():
                found.append(of_draws(place, part, evidence.found(behind)))
        return rows_frame(found, *self.chosen)

    def summary(self, frame: pl.DataFrame, conf: Agreement) -> pl.DataFrame:
        """The gap, and how much of it each condition recovers."""
        return summary_frame(effects(frame, self.conf.checkpoint, conf))
