"""Vectors that push a model's states: where they come from, and what tells one from another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from jaxtyping import Float

from harness.core import Condition, ReadRollouts, Steer, Trace, UserError
from harness.core.seeds import derive
from harness.interventions.steered.effects import BIAS, RANDOM
from harness.interventions.steered.weights import Weighted

ARM = "steering"
Vector = Float[np.ndarray, " width"]
States = Mapping[int, Float[np.ndarray, "tokens width"]]


@dataclass(frozen=True, eq=False)
class Push:
    """A vector at a layer."""

    layer: int
    vector: Vector

    def at(self, place: int) -> Condition:
        """Added while the sentence behind a boundary is written."""
        return Condition(under=(Steer(self.layer, tuple(map(float, self.vector)), (place,)),))

    @property
    def digest(self) -> str:
        """Tells it from others in the names of arms."""
        return blake2b(self.vector.tobytes() + bytes([self.layer % 256]), digest_size=4).hexdigest()


def random(seed: int, number: int, length: float, width: int) -> Vector:
    """A random vector of a length."""
    found = np.random.default_rng(derive("random", seed, number)).normal(size=width)
    return found / np.linalg.norm(found) * length


def nulls(seed: int, count: int, push: Push, bias: Vector) -> dict[str, Push]:
    """What stands for nothing, as long as a push: the bias, and so many random vectors."""
    length, width = float(np.linalg.norm(push.vector)), len(push.vector)
    along = bias / (np.linalg.norm(bias) or 1.0) * length
    drawn = {f"{RANDOM} {i + 1}": random(seed, i, length, width) for i in range(count)}
    return {n: Push(push.layer, v) for n, v in {BIAS: along, **drawn}.items()}


def moved(
    trace: Trace, places: Sequence[int], tokens: int, mine: States, other: States
) -> tuple[dict[int, Vector], dict[int, Vector]]:
    """By layer other − mine: at the first tokens of some sentences, and over the reasoning."""
    spans = [trace.sentences[i] for i in places]
    rows = [t for s in spans for t in range(s.start, min(s.stop, s.start + tokens))]
    apart = {layer: other[layer].astype(np.float64) - mine[layer] for layer in mine}
    there = {layer: np.nanmean(each[rows], axis=0) for layer, each in apart.items()}
    return there, {
        layer: np.nanmean(each[trace.reasoning], axis=0) for layer, each in apart.items()
    }


def averaged(found: Sequence[Mapping[int, Vector]]) -> dict[int, Vector]:
    """The mean over traces by layer."""
    return {layer: np.mean([each[layer] for each in found], axis=0) for layer in found[0]}


def best(
    tried: Mapping[tuple[int, float], Sequence[Weighted]], min_share: float
) -> tuple[int, float]:
    """The layer and scale with the highest P(correct), of those that leave enough draws.

    Raises UserError where none does.
    """
    value = {
        candidate: float(np.mean([each.correct for each in found]))
        for candidate, found in tried.items()
        if np.mean([each.share for each in found]) >= min_share
    }
    if not value:
        raise UserError(
            "under every layer and scale the model's own draws are too unlikely to be weighted; "
            "add a smaller one to validate.steering.scales"
        )
    return max(value, key=lambda candidate: value[candidate])


def read_again(place: int, condition: Condition) -> ReadRollouts:
    """How likely the condition makes the first sentences drawn there."""
    return ReadRollouts(ARM, place, layer=None, sampled=True, condition=condition)
