"""Draws: wanted rollouts become requests, and some are handed on as they are."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from harness.core import Cut, Draw
from harness.core.seeds import derive
from harness.engines.base import Finished, Request
from harness.evidence.draws.prefixes import Prefix, prefix
from harness.evidence.recorder import Recorder, Start
from harness.evidence.schedule import Place, couples, to_draw
from harness.store.rollouts import AGAIN, First, Key, firsts, keys, written


def requests(recorder: Recorder, start: Start, wanted: Sequence[Draw]) -> Iterator[Request]:
    """Requests for the draws of a trace that are not recorded, boundary by boundary.

    Those of all arms behind one prefix follow each other, while an engine that shares it has it.
    Draws of one chunk share a request; a continuation has one of its own, and so has what leaves
    the next sentence, and what goes on behind a rollout of another arm, once that one is there.
    Those that take the seeds of another arm come the other way round, from the last boundary and
    chunk on, so that an engine batches them with others than it did.
    """
    folder, missing = recorder.folder(start.owner), list[tuple[Draw, list[Cut]]]()
    recorded, sampling = keys(folder), recorder.sampling
    asked, most = set(recorded), _due(sampling.schedule, wanted)
    for want in wanted:
        cuts = want.after or [Cut(draw) for draw in range(want.n)]
        if couples(sampling.schedule, want):
            cuts = to_draw(want, most, recorded, sampling.stretch)
        missing.append((want, [c for c in cuts if (want.arm, want.boundary, c) not in asked]))
        asked.update((want.arm, want.boundary, c) for c in cuts)
    tokens = written(folder, {key for want, cuts in missing for key in _ancestors(want, cuts)})
    begun = firsts(folder, {want.of for want, cuts in missing if want.of and cuts})
    for want, cuts in sorted(missing, key=lambda pair: _turn(pair[0])):
        if not cuts:
            continue
        place = prefix(recorder.subject, start, want)
        if want.of:
            yield from _behind(recorder, start, want, place, cuts, begun)
            continue
        if want.leaving:
            yield from _leaving(recorder, start, want, place, cuts)
            continue
        chunks = [list(g) for _, g in groupby(cuts, key=lambda cut: _number(recorder, cut))]
        for each in chunks[::-1] if want.seeded else chunks:
            extra = _extra(recorder, want, each, tokens)
            yield _request(recorder, start, want, place, each, extra)


def handed_on(recorder: Recorder, start: Start, wanted: Sequence[Draw]) -> Iterator[dict[str, Any]]:
    """The rows of draws of which nothing is left to write.

    They would go on behind a rollout which ended at its first sentence, or they leave the trace's
    sentence by ending.
    """
    behind, leaving = [w for w in wanted if w.of], [w for w in wanted if w.leaving]
    if not behind and not leaving:
        return
    folder = recorder.folder(start.owner)
    recorded, ended = keys(folder), firsts(folder, {want.of for want in behind})
    for want in leaving:
        yield from _ending(recorder, start, want, recorded)
    for want in behind:
        for draw in range(want.n):
            first = ended.get((want.of, want.boundary, draw))
            key = (want.arm, want.boundary, Cut(draw))
            if first is not None and first.ended and key not in recorded:
                chunk = draw // recorder.sampling.chunk
                yield {**first.row, "arm": want.arm, "chunk": chunk}


def _turn(want: Draw) -> int:
    """Where a draw stands among those of its trace."""
    return -want.boundary if want.seeded else want.boundary


def _behind(
    recorder: Recorder,
    start: Start,
    want: Draw,
    place: Prefix,
    cuts: Sequence[Cut],
    begun: Mapping[tuple[str, int, int], First],
) -> Iterator[Request]:
    """A request for each draw whose first sentence is there and did not end the rollout."""
    for cut in cuts:
        first = begun.get((want.of, want.boundary, cut.draw))
        if first is not None and not first.ended:
            yield _request(recorder, start, want, place, [cut], first.ids)


def _leaving(
    recorder: Recorder, start: Start, want: Draw, place: Prefix, cuts: Sequence[Cut]
) -> Iterator[Request]:
    """A request for each draw that leaves the next sentence by a token that does not end it."""
    eos = recorder.subject.eos
    for cut in sorted(cuts, key=lambda cut: want.leaving[cut.draw].kept):
        token = want.leaving[cut.draw].token
        if token not in eos:
            extra = (*_kept(start, want, cut), token)
            yield _request(recorder, start, want, place, [cut], extra)


def _ending(
    recorder: Recorder, start: Start, want: Draw, recorded: Collection[Key]
) -> Iterator[dict[str, Any]]:
    """The rows of draws that leave the next sentence by ending there."""
    eos, place = recorder.subject.eos, prefix(recorder.subject, start, want)
    for draw, way in enumerate(want.leaving):
        if way.token in eos and (want.arm, want.boundary, Cut(draw)) not in recorded:
            kept = _kept(start, want, Cut(draw))
            asked = _request(recorder, start, want, place, [Cut(draw)], kept)
            yield from recorder.rows(start, Finished(asked, ((),), ("stop",)))


def _kept(start: Start, want: Draw, cut: Cut) -> tuple[int, ...]:
    """The tokens of the next sentence that a draw writes before it leaves it."""
    at = start.stops[want.boundary]
    return start.token_ids[at : at + want.leaving[cut.draw].kept]


def _due(schedule: str, wanted: Sequence[Draw]) -> dict[Place, int]:
    """How many draws each boundary of coupled ones is to have."""
    found = dict[Place, int]()
    for want in wanted:
        if couples(schedule, want):
            place = (want.arm, want.boundary)
            found[place] = max(want.n, found.get(place, 0))
    return found


def _extra(
    recorder: Recorder,
    want: Draw,
    cuts: Sequence[Cut],
    tokens: Mapping[Key, tuple[int, ...]],
) -> tuple[int, ...]:
    """What stands between the trace and what is drawn: appended text, what was cut on the way."""
    extra = recorder.subject.encode(want.append) if want.append else ()
    for key in _ancestors(want, cuts[:1]):
        sentence = cuts[0].sentences[len(key[2].sentences)]
        extra += recorder.before(tokens[key], sentence)
    return extra


def _request(
    recorder: Recorder,
    start: Start,
    want: Draw,
    place: Prefix,
    cuts: Sequence[Cut],
    extra: tuple[int, ...],
) -> Request:
    """One request for rollouts that continue the same tokens."""
    arm, sampling = want.arm + AGAIN if want.after else want.arm, recorder.sampling
    alone = bool(want.of or want.leaving)
    number = (want.boundary, *((cuts[0].draw,) if alone else _number(recorder, cuts[0])))
    return Request(
        key=(start.owner, arm, *map(str, number)),
        base=place.base,
        cut=place.cut,
        extra=extra,
        draws=tuple(cut.draw for cut in cuts),
        seed=derive(sampling.seed, start.owner, want.seeded or arm, *number),
        until=want.until,
        max_length=_cap(recorder, place, want, len(extra)),
        temperature=sampling.temperature if want.temperature is None else want.temperature,
        top_p=sampling.top_p if want.top_p is None else want.top_p,
        checkpoint=recorder.subject.same(want.condition.checkpoint),
        under=place.under,
        prompt=place.prompt,
        begun=len(extra) if alone else 0,
    )


def _number(recorder: Recorder, cut: Cut) -> tuple[int, ...]:
    """The chunk of a rollout; a continuation's is its draw, and its cuts tell it from others."""
    if not cut.sentences:
        return (cut.draw // recorder.sampling.chunk,)
    return (cut.draw, *cut.sentences)


def _ancestors(want: Draw, cuts: Iterable[Cut]) -> Iterator[Key]:
    """The recorded rollouts that were cut on the way to some continuations, oldest first."""
    for cut in cuts:
        for made in range(len(cut.sentences)):
            yield want.arm, want.boundary, Cut(cut.draw, cut.sentences[:made])


def _cap(recorder: Recorder, place: Prefix, draw: Draw, extra: int) -> int:
    """Tokens in all: the same at every boundary, but for answers and where new ones are capped."""
    begun, sampling = place.cut + extra, recorder.sampling
    if draw.most is not None:
        return min(place.prompt + sampling.max_tokens, begun + draw.most)
    return begun + sampling.answer_tokens if draw.append else place.prompt + sampling.max_tokens
