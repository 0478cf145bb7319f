"""Sharing: processes on one run folder take pieces of its work by lease, without a coordinator."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import SoftFileLease

from harness.core import Draw, Problem, UserError
from harness.engines.base import Engine
from harness.evidence.recorder import Site, Writer
from harness.evidence.requests import gather
from harness.run.progress import Meter
from harness.store.files import derive, lease, taken

SHARDS = 64  # pieces that the traces of a run are dealt into, whoever works on it
AHEAD = 4096  # rollouts asked for at once of an engine that takes all that it is given
POLL = 1.0  # seconds until one who finds nothing to do looks again

Wanted = tuple[Site, Sequence[Draw]]


def shard(problem: Problem) -> int:
    """The piece of work that the traces of a problem belong to."""
    return derive("shard", problem.id) % SHARDS


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


def sample(
    writer: Writer, engine: Engine, leases: Leases, wanted: Sequence[Wanted], meter: Meter
) -> int:
    """Sample what is wanted and nobody else samples now; returns how many rollouts."""
    before = meter.done
    try:
        gather(writer, engine, offered(leases, wanted, meter), meter, leases.confirm)
    finally:
        leases.free()
    return meter.done - before


def offered(leases: Leases, wanted: Sequence[Wanted], meter: Meter) -> Iterator[Wanted]:
    """What is wanted and free, each taken only when the engine asks for it.

    It ends early where the engine asks for everything before it starts, so that other processes
    have their share. Three sites at least: an engine may look one ahead to keep its batch full.
    """
    asked, before, sites = 0, meter.done, 0
    for site, draws in wanted:
        if sites >= 3 and asked - (meter.done - before) > AHEAD:
            return
        if leases.take(shard(site.problem)):
            sites, asked = sites + 1, asked + sum(draw.n for draw in draws)
            yield site, draws
