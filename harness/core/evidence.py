"""What was gathered about a trace."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import numpy as np
from jaxtyping import Bool, Float

from harness.core.condition import PLAIN, Condition
from harness.core.results import Cut, Reading, RolloutReading, Rollouts
from harness.core.trace import Problem, Trace
from harness.core.want import Draw, Embed, Read, ReadRollouts, Sentences, Want

R = TypeVar("R")


@dataclass(frozen=True)
class Donor:
    """A trace of another problem, for what needs sentences or a body that are not the trace's."""

    problem: Problem
    sentences: tuple[str, ...]
    answer: str
    correct: bool


@dataclass(frozen=True, eq=False)
class Derived:
    """A trace that was made of another, and what was gathered about it."""

    trace: Trace
    evidence: "Evidence"


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything gathered about one trace so far; detectors read it and never fetch anything.

    `rollouts` are by arm and boundary, `continued` those of their continuations, `sentences` what
    both say; `readings` by condition. All else lies in `answers`, by the want that it answers.
    `found` looks any want up. `donors` are traces of other problems. Of rollouts that leave the
    trace's sentences each boundary gets `pilot` before more are allotted; 0 = all get `draws`.
    Interventions alone are given `scores`, what the run's methods say of each sentence, and
    `derived`, by name the traces that they make of this one.
    """

    draws: int
    force: str
    references: tuple[Problem, ...]
    rollouts: Mapping[tuple[str, int], Rollouts] = field(default_factory=dict)
    continued: Mapping[tuple[str, int], Rollouts] = field(default_factory=dict)
    sentences: Mapping[tuple[str, int, Cut], tuple[str, ...]] = field(default_factory=dict)
    readings: Mapping[Condition, Reading] = field(default_factory=dict)
    embeddings: Mapping[tuple[str, str], Float[np.ndarray, " dims"]] = field(default_factory=dict)
    answers: Mapping[Want[Any], Any] = field(default_factory=dict)
    donors: tuple[Donor, ...] = ()
    pilot: int = 0
    scores: Mapping[str, Float[np.ndarray, " sentences"]] = field(default_factory=dict)
    derived: Mapping[str, Derived] = field(default_factory=dict)

    @property
    def reading(self) -> Reading:
        """The reading of the trace as it is by the model that wrote it, empty where none is."""
        return self.readings.get(PLAIN, Reading())

    def found(self, want: Want[R]) -> R:
        """What answers a want; KeyError if it was not gathered."""
        return cast("R", self._found(want))

    def _found(self, want: Want[Any]) -> Any:
        match want:
            case Draw():
                every = self.continued if want.after else self.rollouts
                return every[want.arm, want.boundary]
            case Read():
                return self.readings[want.condition]
            case ReadRollouts():
                return _read_again(self.rollouts[want.arm, want.boundary], want)
            case Sentences():
                place = (want.arm, want.boundary)
                texts = {key[2]: v for key, v in self.sentences.items() if key[:2] == place}
                return {cut: value for cut, value in texts.items() if cut.draw < want.n}
            case Embed():
                return {text: self.embeddings[want.model, text] for text in want.texts}
            case _:
                return self.answers[want]

    def subset(self, keep: Mapping[tuple[str, int], Bool[np.ndarray, " draws"]]) -> "Evidence":
        """The same evidence with only some of the draws, for half-sample scores.

        A continuation stays if the rollout that it goes back to does.
        """
        rollouts = {k: r.take(keep[k]) for k, r in self.rollouts.items()}
        continued = {
            k: r.take(np.isin(r.draw, rollouts[k].draw)) for k, r in self.continued.items()
        }
        return replace(self, rollouts=rollouts, continued=continued)


def _read_again(rollouts: Rollouts, want: ReadRollouts) -> RolloutReading:
    condition = want.condition
    states = None if want.layer is None else rollouts.states_of(want.layer, condition)
    if not want.sampled:
        return RolloutReading(states, None, None)
    return RolloutReading(states, rollouts.sampled[condition], rollouts.least[condition])
