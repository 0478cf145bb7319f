"""Draws: wanted rollouts become requests, finished ones become rows, each recorded once."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from harness.core import Cut, Draw
from harness.engines.base import Engine, Finished, Request
from harness.evidence.recorder import Site, Writer
from harness.evidence.schedule import Place, anew, couples, due
from harness.run.progress import Meter
from harness.store import schema
from harness.store.files import add_part, derive, rows
from harness.store.rollouts import AGAIN, Key, keys, load, written

FLUSH = 10.0  # seconds of finished work at risk


def gather(
    writer: Writer,
    engine: Engine,
    wanted: Iterable[tuple[Site, Sequence[Draw]]],
    meter: Meter,
    confirm: Callable[[], None] = lambda: None,
) -> None:
    """Record every wanted rollout that is not yet recorded, of coupled boundaries one round.

    `wanted` is followed only as far as the engine has got; `confirm` is called before anything is
    recorded, and raises where it no longer may be.
    """
    sites: dict[str, Site] = {}
    free: dict[str, set[Key]] = {}
    full: list[Finished] = []
    finished: list[dict[str, Any]] = []
    since = time.monotonic()

    def asked() -> Iterator[Request]:
        for site, draws in wanted:
            todo = list(requests(writer, site, draws))
            sites[site.owner], free[site.owner] = site, _free(writer, site, draws, todo)
            for request in todo:
                if len(request.prefix) < request.max_length:
                    yield request
                else:
                    full.append(_ended(request))

    def keep() -> None:
        confirm()
        _flush(writer, finished)

    try:
        for done in chain(engine.sample(asked()), full):
            site = sites[done.request.key[0]]
            made = list(writer.rows(site, done))
            finished += chain(made, writer.inherited(site, made, free[site.owner]))
            meter.add(len(done.request.draws), done.n_tokens)
            if time.monotonic() - since > FLUSH:
                keep()
                since = time.monotonic()
    finally:  # what is finished is kept where the engine fails
        keep()


def _flush(writer: Writer, finished: list[dict[str, Any]]) -> None:
    """One part file a trace; each row is tried once, since what fails may have been written."""
    todo = sorted(finished, key=lambda row: row["trace_id"])
    finished.clear()
    for owner, members in groupby(todo, key=lambda row: row["trace_id"]):
        add_part(writer.folder(owner), rows(list(members), schema.ROLLOUTS))


def requests(writer: Writer, site: Site, wanted: Sequence[Draw]) -> Iterator[Request]:
    """Requests for the draws of a trace that are not recorded, boundary by boundary.

    Draws of one chunk share a request; a continuation has one of its own.
    """
    folder, missing = writer.folder(site.owner), list[tuple[Draw, list[Cut]]]()
    recorded, sampling = keys(folder), writer.sampling
    asked, most = set(recorded), _due(writer, folder, wanted)
    for want in wanted:
        cuts = want.after or [Cut(draw) for draw in range(want.n)]
        if couples(sampling.schedule, want):
            cuts = anew(want, most, recorded, sampling.stretch)
        missing.append((want, [c for c in cuts if (want.arm, want.boundary, c) not in asked]))
        asked.update((want.arm, want.boundary, c) for c in cuts)
    tokens = written(folder, {key for want, cuts in missing for key in _ancestors(want, cuts)})
    for want, cuts in missing:
        for _, group in groupby(cuts, key=lambda cut: _number(writer, cut)):
            yield _request(writer, site, want, list(group), tokens)


def _due(writer: Writer, folder: Path, wanted: Sequence[Draw]) -> dict[Place, int]:
    """How many draws each boundary of coupled ones is to have for now."""
    sampling, found = writer.sampling, dict[Place, int]()
    there = load(folder) if sampling.enough else {}
    for want in wanted:
        if couples(sampling.schedule, want):
            place = (want.arm, want.boundary)
            n = due(want, there.get(place), sampling.enough)
            found[place] = max(n, found.get(place, 0))
    return found


def _request(
    writer: Writer,
    site: Site,
    want: Draw,
    cuts: Sequence[Cut],
    tokens: Mapping[Key, tuple[int, ...]],
) -> Request:
    """One request for rollouts that continue the same tokens."""
    arm = want.arm + AGAIN if want.after else want.arm
    place = (want.boundary, *_number(writer, cuts[0]))
    extra = writer.subject.encode(want.append) if want.append else ()
    for key in _ancestors(want, cuts[:1]):
        sentence = cuts[0].sentences[len(key[2].sentences)]
        extra += writer.before(tokens[key], sentence)
    return Request(
        key=(site.owner, arm, *map(str, place)),
        base=site.prompt_ids + site.token_ids,
        cut=len(site.prompt_ids) + site.stops[want.boundary],
        extra=extra,
        draws=tuple(cut.draw for cut in cuts),
        seed=derive(writer.sampling.seed, site.owner, arm, *place),
        until=want.until,
        max_length=len(site.prompt_ids) + _cap(writer, site, want),
    )


def _number(writer: Writer, cut: Cut) -> tuple[int, ...]:
    """The chunk of a rollout; a continuation's is its draw, and its cuts tell it from others."""
    if not cut.sentences:
        return (cut.draw // writer.sampling.chunk,)
    return (cut.draw, *cut.sentences)


def _ancestors(want: Draw, cuts: Iterable[Cut]) -> Iterator[Key]:
    """The recorded rollouts that were cut on the way to some continuations, oldest first."""
    for cut in cuts:
        for made in range(len(cut.sentences)):
            yield want.arm, want.boundary, Cut(cut.draw, cut.sentences[:made])


def _free(writer: Writer, site: Site, wanted: Sequence[Draw], todo: Sequence[Request]) -> set[Key]:
    """Where rollouts may stand for draws of coupled boundaries: neither there nor drawn now."""
    coupled = [want for want in wanted if couples(writer.sampling.schedule, want)]
    if not coupled:
        return set()
    mine = [request for request in todo if request.key[0] == site.owner]
    drawn = {(r.key[1], int(r.key[2]), Cut(draw)) for r in mine for draw in r.draws}
    every = {(w.arm, w.boundary, Cut(draw)) for w in coupled for draw in range(w.n)}
    return every - drawn - keys(writer.folder(site.owner))


def _cap(writer: Writer, site: Site, draw: Draw) -> int:
    """Tokens after the prompt, the same at every boundary but for answers that are asked for."""
    if not draw.append:
        return writer.sampling.max_tokens
    extra = len(writer.subject.encode(draw.append))
    return site.stops[draw.boundary] + extra + writer.sampling.answer_tokens


def _ended(request: Request) -> Finished:
    """Rollouts from a prefix that already reaches the cap."""
    n = len(request.draws)
    return Finished(request, ((),) * n, ("length",) * n)
