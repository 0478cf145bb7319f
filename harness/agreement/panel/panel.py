"""The scores of one model laid flat over the sentences of its traces."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from harness.agreement.panel.halves import Halves

SENTENCE = ["trace_id", "sentence"]
BASELINE, TRUTH = "baseline", "truth"
NO_DETECTOR = (BASELINE, TRUTH)  # families of methods that no claim is made about


@dataclass(frozen=True)
class MethodInfo:
    """What is declared of a method; `arms` are the kinds of rollouts its scores rest on."""

    family: str
    signed: bool
    arms: frozenset[str]


def is_detector(name: str, traits: Mapping[str, MethodInfo]) -> bool:
    """Whether claims are made about a method: not if it is a baseline or the truth."""
    return name not in traits or traits[name].family not in NO_DETECTOR


@dataclass(frozen=True, eq=False)
class Vectors:
    """A method's scores, NaN = undefined, and those of its half samples, none if it draws none."""

    score: Float[np.ndarray, " sentences"]
    half_a: Halves
    half_b: Halves

    @property
    def splits(self) -> int:
        """Pairs of half samples."""
        return len(self.half_a)

    @cached_property
    def usable(self) -> Bool[np.ndarray, " sentences"]:
        """Where the score is defined, and both halves of it in most splits."""
        there = np.isfinite(self.score)
        if not self.splits:
            return there
        both = np.zeros(len(self.score), int)
        for split in range(self.splits):
            both += np.isfinite(self.half_a[split]) & np.isfinite(self.half_b[split])
        return there & (2 * both > self.splits)


@dataclass(frozen=True, eq=False)
class Panel:
    """One model; `trace` and `problem` are indices, both ascending.

    `correct`: 1 where a trace's answer is right, 0 where it is wrong, -1 where nobody knows.
    """

    model: str
    problems: tuple[str, ...]
    problem: Int[np.ndarray, " traces"]
    trace: Int[np.ndarray, " sentences"]
    methods: Mapping[str, Vectors]
    covariates: Mapping[str, Float[np.ndarray, " sentences"]]
    correct: Int[np.ndarray, " traces"]

    @property
    def size(self) -> int:
        """Sentences."""
        return len(self.trace)

    def scored(self, names: Iterable[str]) -> list[Float[np.ndarray, " sentences"]]:
        """Scores of those of the methods that are defined anywhere."""
        there = [self.methods[name].score for name in names if name in self.methods]
        return [score for score in there if np.isfinite(score).any()]
