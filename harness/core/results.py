"""What wants are answered with: rollouts, readings, comparisons."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from harness.core.condition import PLAIN, Condition


@dataclass(frozen=True)
class Cut:
    """A rollout, or what was drawn where it was cut: `sentences` names one cut a round, from 0.

    () is rollout `draw` itself, (5,) what continues it from before its sentence 5, (5, 2) what
    continues that from before sentence 2 of its own, and so on.
    """

    draw: int
    sentences: tuple[int, ...] = ()


@dataclass(frozen=True)
class Departure:
    """Where a rollout leaves the trace's next sentence: behind `kept` tokens of it, by `token`."""

    kept: int
    token: int


@dataclass(frozen=True, eq=False)
class Departures:
    """How rollouts leave the sentences of a trace, as they are sampled.

    `logprob` is log p in nats that a rollout from the boundary before a sentence writes exactly its
    tokens, under the temperature and top-p of the run: -inf where one lies outside the nucleus, NaN
    where that is not to be had. `ways` has by boundary, from 0, a departure for each draw; none
    where nobody leaves (p = 1), where p is unknown, and behind the last sentence.
    """

    logprob: Float[np.ndarray, " sentences"]
    ways: tuple[tuple[Departure, ...], ...]


@dataclass(frozen=True, eq=False)
class Rollouts:
    """The rollouts of one arm at one boundary; `answer` is canonical, NO_ANSWER where none.

    `states` are those of the first sentence's last token by block and condition, float32, NaN where
    it is empty. `sampled` is log p in nats of the first sentence under a condition, with the
    temperature and top-p that the arm was drawn with, −inf outside the nucleus; an empty one is
    that of the token that closes or ends it. `least` is that of its least likely token.
    Continuations have the `draw` of the
    rollout they go back to, and their `cuts`. Draws that are `passing` are the same rollouts as
    those draws of the boundary before, which wrote the sentence between as the trace has it.
    `n_tokens` are those written, `routed` how many of them another checkpoint wrote under a Route;
    None where that was not recorded.
    """

    draw: Int[np.ndarray, " draws"]
    answer: tuple[str, ...]
    correct: Bool[np.ndarray, " draws"]
    first_sentence: tuple[str, ...]
    states: Mapping[tuple[int, Condition], Float[np.ndarray, "draws width"]] = field(
        default_factory=dict
    )
    sampled: Mapping[Condition, Float[np.ndarray, " draws"]] = field(default_factory=dict)
    least: Mapping[Condition, Float[np.ndarray, " draws"]] = field(default_factory=dict)
    cuts: tuple[Cut, ...] = ()
    passing: frozenset[int] = frozenset()
    n_tokens: Int[np.ndarray, " draws"] | None = None
    routed: Int[np.ndarray, " draws"] | None = None

    def __len__(self) -> int:
        return len(self.answer)

    def states_of(
        self, layer: int, condition: Condition = PLAIN
    ) -> Float[np.ndarray, "draws width"]:
        """The states after block `layer`; KeyError where nobody asked for them."""
        return self.states[layer, condition]

    def take(self, keep: Bool[np.ndarray, " draws"]) -> "Rollouts":
        """The rollouts where `keep` is true."""
        index = np.flatnonzero(keep)
        return Rollouts(
            self.draw[index],
            tuple(self.answer[i] for i in index),
            self.correct[index],
            tuple(self.first_sentence[i] for i in index),
            {key: states[index] for key, states in self.states.items()},
            {key: values[index] for key, values in self.sampled.items()},
            {key: values[index] for key, values in self.least.items()},
            tuple(self.cuts[i] for i in index) if self.cuts else (),
            self.passing & set(self.draw[index].tolist()),
            None if self.n_tokens is None else self.n_tokens[index],
            None if self.routed is None else self.routed[index],
        )


@dataclass(frozen=True, eq=False)
class RolloutReading:
    """What reading rollouts again yields, a row a draw, None where not asked for; see Rollouts."""

    states: Float[np.ndarray, "draws width"] | None
    sampled: Float[np.ndarray, " draws"] | None
    least: Float[np.ndarray, " draws"] | None


@dataclass(frozen=True, eq=False)
class Reading:
    """What one pass over a trace yields, row t belonging to token t: the position that predicts it.

    In nats at T = 1: `entropy`, `logprob`, and `top_entropy`, by k the entropy of the k likeliest
    tokens with their probabilities made to sum to 1. `sampled` is log p under the temperature and
    top-p of the run, −inf outside the nucleus. States by block, in float32. NaN where the
    condition deletes a token, after the reasoning of another checkpoint, and beyond its context.
    """

    entropy: Float[np.ndarray, " tokens"] | None = None
    logprob: Float[np.ndarray, " tokens"] | None = None
    states: Mapping[int, Float[np.ndarray, "tokens width"]] = field(default_factory=dict)
    sampled: Float[np.ndarray, " tokens"] | None = None
    top_entropy: Mapping[int, Float[np.ndarray, " tokens"]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Comparison:
    """How the next-token distributions of two conditions differ, by token; NaN where one has none.

    KL(of || to) and Jensen-Shannon divergence in nats; `argmax_differs` is 1 where their likeliest
    tokens differ, else 0.
    """

    kl: Float[np.ndarray, " tokens"]
    js: Float[np.ndarray, " tokens"]
    argmax_differs: Float[np.ndarray, " tokens"]
