"""Sharing: processes on one run folder take pieces of its work by lease, without a coordinator."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import SoftFileLease

from harness.core import Problem, UserError
from harness.core.config import shown
from harness.core.seeds import derive
from harness.store.leases import lease, taken

PIECES = 64  # pieces that the traces of a run are dealt into, whoever works on it
POLL = 1.0  # seconds until one who finds nothing to do looks again


def piece(problem: Problem) -> int:
    """The piece of work that the traces of a problem belong to."""
    return derive("shard", problem.id) % PIECES


@dataclass(frozen=True, eq=False)
class Leases:
    """The pieces of one kind of work in a run, and those that this process holds.

    Every lease that was looked at is kept: it watches for how long its holder has been silent.
    """

    run: Path
    kind: str
    known: dict[str, SoftFileLease] = field(default_factory=dict)
    held: list[SoftFileLease] = field(default_factory=list)

    def take(self, piece: str | int) -> bool:
        """Whether this process has the piece, now if not before."""
        name = f"{self.kind}/{piece}"
        if name not in self.known:
            self.known[name] = lease(self.run, name)
        work = self.known[name]
        if work in self.held:
            return True
        if taken(work):
            self.held.append(work)
        return work in self.held

    def confirm(self) -> None:
        """Raise UserError if another process has taken over a piece that this one holds."""
        if not all(work.is_lock_held_by_us for work in self.held):
            raise UserError(
                f"run: this process stood still for so long that another took over its work in "
                f"{self.run}; the same command goes on"
            )

    def free(self) -> None:
        """Give back all pieces."""
        while self.held:
            self.held.pop().release()


@dataclass(frozen=True)
class Part:
    """Part `index` of `count`: every `count`-th problem."""

    index: int
    count: int

    def of(self, problems: Sequence[Problem]) -> Sequence[Problem]:
        """The problems of this part."""
        return problems[self.index :: self.count]


def part(value: Any) -> Part | None:
    """What "0/4" stands for, the first of four; raises UserError for what is no such thing."""
    if value is None:
        return None
    index, _, count = str(value).partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise UserError(f"shard: must be I/N with I below N, as in 0/4, got {shown(value)}")
    return Part(int(index), int(count))
