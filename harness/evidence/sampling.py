"""What conf/sampling says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

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
    schedule: Literal["fixed", "coupled", "allocated"]
    stretch: int
    pilot: int
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
        least |= {"pilot": 4, "max_tokens": 2, "attempts": self.traces, "splits": 0}
        for key, low in least.items():
            if getattr(self, key) < low:
                raise UserError(f"sampling.{key}: must be at least {low}, got {getattr(self, key)}")
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise UserError("sampling: temperature must be at least 0 and top_p in (0, 1]")

    @property
    def pilots(self) -> int:
        """Draws that leave each sentence before more are allotted; 0 = all get the same number."""
        return self.pilot if self.schedule == "allocated" else 0


def current(node: Any) -> Any:
    """What a config says of sampling; raises UserError for what was there once."""
    if isinstance(node, Mapping) and node.get("schedule") == "adaptive":
        raise UserError(
            "sampling.schedule: adaptive is no more, for it was biased towards the likeliest "
            "answer; choose allocated, with methods that draw only what leaves (estimator: exact)"
        )
    return node
