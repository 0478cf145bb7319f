"""The bounds a shipped checkpoint must keep, and their measurement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from harness.organism.puzzles import Puzzle, puzzles_of_split, with_random_name
from harness.organism.tokens import encode, tokenizer
from harness.organism.training.measure import Observed, observe, summary
from harness.organism.training.sampling import Sample, sample, sampler_error


@dataclass(frozen=True)
class Gate:
    """A measured value and the open interval it must lie in."""

    value: float
    low: float
    high: float

    @property
    def passed(self) -> bool:
        """Whether the value lies inside."""
        return self.low < self.value < self.high


def held_out(count: int, seed: int) -> list[Puzzle]:
    """Problems of the evaluation split, each with other digits."""
    rng = Random(seed)
    return [
        with_random_name(p, rng) for p in rng.sample(list(puzzles_of_split(held_out=True)), count)
    ]


def measure_checkpoint(
    model: Any, problems: int, draws: int, seed: int
) -> tuple[dict[str, float], Observed, list[Sample]]:
    """Samples of a checkpoint on held-out problems, the probabilities there, and its summary."""
    samples = sample(model, held_out(problems, seed), draws, seed)
    seen = observe(model, samples)
    return summary(seen, samples), seen, samples


def gates(
    base: Mapping[str, float], best: Mapping[str, float], samples: Sequence[Sample], model: Any
) -> dict[str, Gate]:
    """Every gate: of base unless its name says otherwise, `best` being rl-4."""
    valid = [s for s in samples if s.steps]
    longest = max(valid, key=lambda s: len(s.tokens))
    return {
        "validity": Gate(base["validity"], 0.97, 1.01),
        "plan_variation": Gate(base["plan_variation"], -1, 0.03),
        "execute_correct": Gate(base["execute_correct"], 0.995, 1.01),
        "back_wrong_minus_right": Gate(base["back_wrong"] - base["back_right"], 0.2, 1.01),
        "accuracy": Gate(base["accuracy"], 0.35, 0.65),
        "rl-4_accuracy": Gate(best["accuracy"], 0.9, 1.01),
        "round_trip": Gate(_round_trip(samples), 1 - 1e-9, 1.01),
        "sampler_error": Gate(sampler_error(model, longest), -1, 1e-4),
        "shared_problems": Gate(_shared(samples), -1, 0.5),
    }


def _round_trip(samples: Sequence[Sample]) -> float:
    """The share of valid traces whose text becomes the same tokens and back."""
    words, valid = tokenizer(), [s for s in samples if s.steps]
    same = [
        encode(s.text) == list(s.tokens[s.prompt_length : -1])
        and words.decode(encode(s.text)) == s.text
        for s in valid
    ]
    return sum(same) / len(same)


def _shared(samples: Sequence[Sample]) -> float:
    """Problems of the evaluation that the training may draw."""
    trained = {(p.counts, p.operations) for p in puzzles_of_split(held_out=False)}
    return float(sum((s.puzzle.counts, s.puzzle.operations) in trained for s in samples))
