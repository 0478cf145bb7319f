"""What was gathered about a trace."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from harness.core.trace import Problem
from harness.core.want import Attend, Compare, Cut, ReadText, Suppress


@dataclass(frozen=True, eq=False)
class Rollouts:
    """The rollouts of one arm at one boundary; `answer` is canonical, NO_ANSWER where none.

    `states` are those of the first sentence's last token by block, float32, NaN where it is empty.
    Continuations have the `draw` of the rollout they go back to, and their `cuts`. Draws that are
    `passing` are the same rollouts as those draws of the boundary before, which wrote the sentence
    between as the trace has it.
    """

    draw: Int[np.ndarray, " draws"]
    answer: tuple[str, ...]
    correct: Bool[np.ndarray, " draws"]
    first_sentence: tuple[str, ...]
    states: Mapping[int, Float[np.ndarray, "draws width"]] = field(default_factory=dict)
    cuts: tuple[Cut, ...] = ()
    passing: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.answer)

    def take(self, keep: Bool[np.ndarray, " draws"]) -> "Rollouts":
        """The rollouts where `keep` is true."""
        index = np.flatnonzero(keep)
        return Rollouts(
            self.draw[index],
            tuple(self.answer[i] for i in index),
            self.correct[index],
            tuple(self.first_sentence[i] for i in index),
            {layer: states[index] for layer, states in self.states.items()},
            tuple(self.cuts[i] for i in index) if self.cuts else (),
            self.passing & set(self.draw[index].tolist()),
        )


@dataclass(frozen=True, eq=False)
class Reading:
    """What one pass over a trace yields, row t belonging to token t: the position that predicts it.

    entropy and logprob in nats at T = 1; states by block, in float32.
    """

    entropy: Float[np.ndarray, " tokens"] | None = None
    logprob: Float[np.ndarray, " tokens"] | None = None
    states: Mapping[int, Float[np.ndarray, "tokens width"]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything gathered about one trace so far; detectors read it and never fetch anything.

    `continued` holds the continuations of rollouts that were cut, `sentences` what both say.
    `reading` is of the model that wrote the trace, `others` of further checkpoints by name: NaN
    after the reasoning and beyond a checkpoint's context, and so is their `divergence`, in nats a
    token. `suppression` is KL(plain || masked) in nats of every token (row) when a sentence
    (column) is masked, NaN up to where the mask begins. A boundary whose first `settled` draws give
    one answer has enough of them; 0 = none has.
    """

    draws: int
    force: str
    references: tuple[Problem, ...]
    rollouts: Mapping[tuple[str, int], Rollouts] = field(default_factory=dict)
    continued: Mapping[tuple[str, int], Rollouts] = field(default_factory=dict)
    sentences: Mapping[tuple[str, int, Cut], tuple[str, ...]] = field(default_factory=dict)
    reading: Reading = field(default_factory=Reading)
    others: Mapping[str, Reading] = field(default_factory=dict)
    divergence: Mapping[Compare, Float[np.ndarray, " tokens"]] = field(default_factory=dict)
    attention: Mapping[Attend, Float[np.ndarray, "layers heads sentences"]] = field(
        default_factory=dict
    )
    suppression: Mapping[Suppress, Float[np.ndarray, "tokens sentences"]] = field(
        default_factory=dict
    )
    texts: Mapping[ReadText, Float[np.ndarray, " width"]] = field(default_factory=dict)
    embeddings: Mapping[tuple[str, str], Float[np.ndarray, " dims"]] = field(default_factory=dict)
    settled: int = 0

    def reading_of(self, checkpoint: str) -> Reading:
        """The reading of a checkpoint by name, "" for the model that wrote the trace."""
        return self.others.get(checkpoint, Reading()) if checkpoint else self.reading

    def subset(self, keep: Mapping[tuple[str, int], Bool[np.ndarray, " draws"]]) -> "Evidence":
        """The same evidence with only some of the draws, for half-sample scores.

        A continuation stays if the rollout that it goes back to does.
        """
        rollouts = {k: r.take(keep[k]) for k, r in self.rollouts.items()}
        continued = {
            k: r.take(np.isin(r.draw, rollouts[k].draw)) for k, r in self.continued.items()
        }
        return replace(self, rollouts=rollouts, continued=continued)
