"""A part of the problems, fixed beforehand, whose rollouts one process makes alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.core import Problem, UserError
from harness.core.config import shown


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count`: every `count`-th problem."""

    index: int
    count: int

    def of(self, problems: Sequence[Problem]) -> Sequence[Problem]:
        """The problems of this part."""
        return problems[self.index :: self.count]


def part(value: Any) -> Shard | None:
    """What "0/4" stands for, the first of four; raises UserError for what is no such thing."""
    if value is None:
        return None
    index, _, count = str(value).partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise UserError(f"shard: must be I/N with I below N, as in 0/4, got {shown(value)}")
    return Shard(int(index), int(count))
