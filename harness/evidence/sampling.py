"""What conf/sampling says."""

from dataclasses import dataclass
from typing import Literal

from harness.core import UserError


@dataclass(frozen=True)
class Screen:
    """Which problems to keep by the share of right answers over a few draws; 0 draws keep all."""

    draws: int
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.draws < 0 or not 0 <= self.low <= self.high <= 1:
            raise UserError("sampling.screen: needs draws >= 0 and 0 <= low <= high <= 1")


@dataclass(frozen=True)
class Sampling:
    """What conf/sampling says; lengths in tokens."""

    draws: int
    schedule: Literal["fixed", "coupled", "adaptive"]
    stretch: int
    settled: int
    chunk: int
    temperature: float
    top_p: float
    max_tokens: int
    answer_tokens: int
    seed: int
    traces: int
    attempts: int
    keep: Literal["all", "correct", "incorrect"]
    screen: Screen
    splits: int

    def __post_init__(self) -> None:
        least = dict.fromkeys(("draws", "stretch", "chunk", "answer_tokens", "traces"), 1)
        least |= {"settled": 2, "max_tokens": 2, "attempts": self.traces, "splits": 0}
        for key, low in least.items():
            if getattr(self, key) < low:
                raise UserError(f"sampling.{key}: must be at least {low}, got {getattr(self, key)}")
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise UserError("sampling: temperature must be at least 0 and top_p in (0, 1]")

    @property
    def enough(self) -> int:
        """Draws of one answer alone after which a boundary gets no more; 0 = it gets them all."""
        return self.settled if self.schedule == "adaptive" else 0
