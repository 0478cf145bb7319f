"""Sampling: wanted rollouts are drawn, and each finished one is recorded once."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import Any

from harness.core import Cut, Draw
from harness.engines.base import Engine, Finished, Request
from harness.evidence.draws.arms import declare
from harness.evidence.recorder import Recorder, Start
from harness.evidence.requests import handed_on, requests
from harness.evidence.schedule import couples
from harness.run.progress import Meter
from harness.run.work import Leases, piece
from harness.store import schema
from harness.store.files import add_part, rows
from harness.store.rollouts import Key, keys

FLUSH = 10.0  # seconds of finished work at risk


def gather(
    recorder: Recorder,
    engine: Engine,
    wanted: Iterable[tuple[Start, Sequence[Draw]]],
    meter: Meter,
    confirm: Callable[[], None] = lambda: None,
) -> None:
    """Record every wanted rollout that is not yet recorded, of coupled boundaries one round.

    `wanted` is followed only as far as the engine has got; `confirm` is called before anything is
    recorded, and raises where it no longer may be.
    """
    starts: dict[str, Start] = {}
    free: dict[str, set[Key]] = {}
    full: list[Finished] = []
    finished: list[dict[str, Any]] = []
    since = time.monotonic()

    def asked() -> Iterator[Request]:
        for start, draws in wanted:
            finished.extend(handed_on(recorder, start, draws))
            todo = list(requests(recorder, start, draws))
            starts[start.owner], free[start.owner] = start, _free(recorder, start, draws, todo)
            full.extend(_ended(request) for request in todo if not _has_room(request))
            yield from filter(_has_room, todo)

    def keep() -> None:
        confirm()
        _flush(recorder, finished)

    try:
        for done in chain(engine.sample(asked()), full):
            start = starts[done.request.key[0]]
            made = list(recorder.rows(start, done))
            finished += chain(made, recorder.inherited(start, made, free[start.owner]))
            meter.add(len(done.request.draws), done.n_tokens, done.request.key[1])
            if time.monotonic() - since > FLUSH:
                keep()
                since = time.monotonic()
    finally:  # what is finished is kept where the engine fails
        keep()


def _flush(recorder: Recorder, finished: list[dict[str, Any]]) -> None:
    """One part file a trace; each row is tried once, since what fails may have been written."""
    todo = sorted(finished, key=lambda row: row["trace_id"])
    finished.clear()
    for owner, members in groupby(todo, key=lambda row: row["trace_id"]):
        add_part(recorder.folder(owner), rows(list(members), schema.ROLLOUTS))


def _free(
    recorder: Recorder, start: Start, wanted: Sequence[Draw], todo: Sequence[Request]
) -> set[Key]:
    """Where rollouts may stand for draws of coupled boundaries: neither there nor drawn now."""
    coupled = [want for want in wanted if couples(recorder.sampling.schedule, want)]
    if not coupled:
        return set()
    mine = [request for request in todo if request.key[0] == start.owner]
    drawn = {(r.key[1], int(r.key[2]), Cut(draw)) for r in mine for draw in r.draws}
    every = {(w.arm, w.boundary, Cut(draw)) for w in coupled for draw in range(w.n)}
    return every - drawn - keys(recorder.folder(start.owner))


def _has_room(request: Request) -> bool:
    """Whether a prefix is shorter than the cap."""
    return len(request.prefix) < request.max_length


def _ended(request: Request) -> Finished:
    """Rollouts from a prefix that already reaches the cap."""
    n = len(request.draws)
    return Finished(request, ((),) * n, ("length",) * n, (0,) * n if request.route else ())


AHEAD = 4096  # rollouts asked for at once of an engine that takes all that it is given

Wanted = tuple[Start, Sequence[Draw]]


def sample(
    recorder: Recorder, engine: Engine, leases: Leases, wanted: Sequence[Wanted], meter: Meter
) -> int:
    """Sample what is wanted and nobody else samples now; returns how many rollouts.

    Raises UserError before any is drawn where an arm means something else in the folder.
    """
    before = meter.done
    for start, draws in wanted:
        declare(recorder.run, start.owner, draws, recorder.sampling)
    try:
        gather(recorder, engine, offered(leases, wanted, meter), meter, leases.confirm)
    finally:
        leases.free()
    return meter.done - before


def offered(leases: Leases, wanted: Sequence[Wanted], meter: Meter) -> Iterator[Wanted]:
    """What is wanted and free, each taken only when the engine asks for it.

    It ends early where the engine asks for everything before it starts, so that other processes
    have their share. Three starts at least: an engine may look one ahead to keep its batch full.
    """
    asked, before, starts = 0, meter.done, 0
    for start, draws in wanted:
        if starts >= 3 and asked - (meter.done - before) > AHEAD:
            return
        if leases.take(piece(start.problem)):
            starts, asked = starts + 1, asked + sum(draw.n for draw in draws)
            yield start, draws
