"""Draws: wanted rollouts become requests, finished ones become rows, each recorded once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from harness.core import Cut, Draw
from harness.core.seeds import derive
from harness.engines.base import Request
from harness.evidence.recorder import Recorder, Start
from harness.evidence.schedule import Place, couples, needed, to_draw
from harness.store.rollouts import AGAIN, Key, keys, load, written


def requests(recorder: Recorder, start: Start, wanted: Sequence[Draw]) -> Iterator[Request]:
    """Requests for the draws of a trace that are not recorded, boundary by boundary.

    Draws of one chunk share a request; a continuation has one of its own.
    """
    folder, missing = recorder.folder(start.owner), list[tuple[Draw, list[Cut]]]()
    recorded, sampling = keys(folder), recorder.sampling
    asked, most = set(recorded), _due(recorder, folder, wanted)
    for want in wanted:
        cuts = want.after or [Cut(draw) for draw in range(want.n)]
        if couples(sampling.schedule, want):
            cuts = to_draw(want, most, recorded, sampling.stretch)
        missing.append((want, [c for c in cuts if (want.arm, want.boundary, c) not in asked]))
        asked.update((want.arm, want.boundary, c) for c in cuts)
    tokens = written(folder, {key for want, cuts in missing for key in _ancestors(want, cuts)})
    for want, cuts in missing:
        for _, group in groupby(cuts, key=lambda cut: _number(recorder, cut)):
            yield _request(recorder, start, want, list(group), tokens)


def _due(recorder: Recorder, folder: Path, wanted: Sequence[Draw]) -> dict[Place, int]:
    """How many draws each boundary of coupled ones is to have for now."""
    sampling, found = recorder.sampling, dict[Place, int]()
    there = load(folder) if sampling.enough else {}
    for want in wanted:
        if couples(sampling.schedule, want):
            place = (want.arm, want.boundary)
            n = needed(want, there.get(place), sampling.enough)
            found[place] = max(n, found.get(place, 0))
    return found


def _request(
    recorder: Recorder,
    start: Start,
    want: Draw,
    cuts: Sequence[Cut],
    tokens: Mapping[Key, tuple[int, ...]],
) -> Request:
    """One request for rollouts that continue the same tokens."""
    arm, sampling = want.arm + AGAIN if want.after else want.arm, recorder.sampling
    place = (want.boundary, *_number(recorder, cuts[0]))
    extra = recorder.subject.encode(want.append) if want.append else ()
    for key in _ancestors(want, cuts[:1]):
        sentence = cuts[0].sentences[len(key[2].sentences)]
        extra += recorder.before(tokens[key], sentence)
    return Request(
        key=(start.owner, arm, *map(str, place)),
        base=start.prompt_ids + start.token_ids,
        cut=len(start.prompt_ids) + start.stops[want.boundary],
        extra=extra,
        draws=tuple(cut.draw for cut in cuts),
        seed=derive(sampling.seed, start.owner, arm, *place),
        until=want.until,
        max_length=len(start.prompt_ids) + _cap(recorder, start, want),
        temperature=sampling.temperature if want.temperature is None else want.temperature,
        top_p=sampling.top_p if want.top_p is None else want.top_p,
        checkpoint=want.condition.checkpoint,
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


def _cap(recorder: Recorder, start: Start, draw: Draw) -> int:
    """Tokens after the prompt, the same at every boundary but for answers that are asked for."""
    if not draw.append:
        return recorder.sampling.max_tokens
    extra = len(recorder.subject.encode(draw.append))
    return start.stops[draw.boundary] + extra + recorder.sampling.answer_tokens
