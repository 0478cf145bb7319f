"""Where a world is made, and what is found out about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from harness.organism.checkpoints import to_json
from harness.organism.model import load
from harness.organism.puzzles import Puzzle, puzzles_of_split, with_random_name
from harness.organism.training.gates import Gate
from harness.organism.training.measure import Observed, decisions
from harness.organism.training.retrain import exists

Values = dict[str, Any]


@dataclass(frozen=True)
class Site:
    """A world being made: `organism` holds the checkpoints it starts from, `root` gets its own."""

    organism: Path
    root: Path
    work: Path
    seed: int

    def base(self) -> Any:
        """The organism's base, in evaluation mode."""
        return load(self.organism / "base")

    def own(self, name: str) -> Any:
        """A checkpoint of the world, rounded as it is stored."""
        return load(self.root / name)

    def lacks(self, name: str) -> bool:
        """Whether a checkpoint of the world is still to be made."""
        return not exists(self.root, name)


@dataclass(frozen=True)
class Found:
    """What was measured: gates, values by checkpoint, and what else the report says."""

    gates: Mapping[str, Gate]
    checkpoints: Mapping[str, Values]
    more: Values


def training_problems(count: int, seed: int) -> list[Puzzle]:
    """Problems of the training split, each with other digits."""
    rng, pool = Random(seed), list(puzzles_of_split(held_out=False))
    return [with_random_name(p, rng) for p in rng.sample(pool, count)]


def with_decisions(values: Values, seen: Observed) -> Values:
    """What a checkpoint does, with the decision probabilities that the truth rests on."""
    return values | {"decisions": to_json(decisions(seen))}
