"""Draws: wanted rollouts become requests, finished ones become rows, each recorded once."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from filelock import Timeout

from harness import schema
from harness.answers import canonical, extract
from harness.engine import Engine, Finished, Request
from harness.progress import Meter
from harness.recorded import AGAIN, Key, keys, written
from harness.segmentation import Segmenter, Span, reasoning_span
from harness.settings import Sampling
from harness.store import add_part, derive, lock, rows, slug
from harness.subject import Subject
from harness.types import Cut, Draw, Problem, ProblemSet

FLUSH = 10.0  # seconds of finished work at risk


@dataclass(frozen=True)
class Site:
    """Where rollouts start: a prompt, what was written after it, and its boundaries in tokens."""

    owner: str
    problem: Problem
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    stops: tuple[int, ...]  # tokens written before each boundary


@dataclass(frozen=True)
class Writer:
    """What turns token ids into the rows of a run."""

    run: Path
    subject: Subject
    problems: ProblemSet
    segmenter: Segmenter
    sampling: Sampling

    def folder(self, owner: str) -> Path:
        """Where the rollouts of a trace lie."""
        return self.run / "rollouts" / slug(owner)

    def rows(self, site: Site, done: Finished) -> Iterator[dict[str, Any]]:
        """The rows of a finished request."""
        _owner, arm, boundary, chunk, *cut = done.request.key
        written = (*done.request.prefix,)[len(site.prompt_ids) :]
        before = self.subject.decode(written)
        for draw, ids, reason in zip(
            done.request.draws, done.token_ids, done.finish_reason, strict=True
        ):
            text = self.subject.decode(ids)
            answer = canonical(extract(before + text, self.problems.pattern))
            spans = self.spans(text)
            first = text[: spans[0][1]] if spans else ""
            yield {
                "trace_id": site.owner,
                "boundary": int(boundary),
                "arm": arm,
                "chunk": int(chunk),
                "draw": draw,
                "cut": [int(sentence) for sentence in cut],
                "token_ids": ids,
                "first_sentence_stop": self.stop(ids, len(first)),
                "first_sentence": first.strip(),
                "answer": answer,
                "correct": self.problems.correct(site.problem, answer),
                "finish_reason": reason,
                "n_tokens": len(ids),
                "seed": done.request.seed,
            }

    def spans(self, text: str) -> list[Span]:
        """The sentences of the reasoning in what a rollout wrote; none where it ends at once."""
        return self.segmenter(text[: reasoning_span(text, "", self.subject.conf.close_tag)[1]])

    def sentences(self, ids: Sequence[int]) -> tuple[str, ...]:
        """What these sentences say, stripped."""
        text = self.subject.decode(ids)
        return tuple(text[start:stop].strip() for start, stop in self.spans(text))

    def before(self, ids: Sequence[int], sentence: int) -> tuple[int, ...]:
        """The tokens of a rollout before one of its sentences."""
        start = self.spans(self.subject.decode(ids))[sentence][0]
        return tuple(ids[: self.stop(ids, start)])

    def stop(self, ids: Sequence[int], chars: int) -> int:
        """The fewest tokens whose text has so many characters."""
        low, high = 0, len(ids)
        while low < high:
            middle = (low + high) // 2
            if len(self.subject.decode(ids[:middle])) >= chars:
                high = middle
            else:
                low = middle + 1
        return low


def gather(
    writer: Writer, engine: Engine, wanted: Sequence[tuple[Site, Sequence[Draw]]], meter: Meter
) -> None:
    """Record every wanted rollout that is not yet recorded.

    Sites that another process works on are left to it, waited for, and then looked at again.
    """
    later: list[tuple[Site, Sequence[Draw]]] = []
    with ExitStack() as held:
        mine: list[tuple[Site, Sequence[Draw]]] = []
        for site, draws in wanted:
            try:
                held.enter_context(lock(writer.run, f"rollouts/{site.owner}").acquire(timeout=0))
                mine.append((site, draws))
            except Timeout:
                later.append((site, draws))
        _sample(writer, engine, mine, meter)
    for site, draws in later:
        with lock(writer.run, f"rollouts/{site.owner}"):
            _sample(writer, engine, [(site, draws)], meter)


def _sample(
    writer: Writer, engine: Engine, wanted: Sequence[tuple[Site, Sequence[Draw]]], meter: Meter
) -> None:
    sites = {site.owner: site for site, _ in wanted}
    todo = [request for site, draws in wanted for request in requests(writer, site, draws)]
    meter.expect(sum(len(r.draws) for r in todo))
    finished: list[dict[str, Any]] = []
    since = time.monotonic()
    open_ended = [r for r in todo if len(r.prefix) < r.max_length]
    full = [_ended(r) for r in todo if len(r.prefix) >= r.max_length]
    for done in chain(full, engine.sample(open_ended)):
        finished.extend(writer.rows(sites[done.request.key[0]], done))
        meter.add(len(done.request.draws), done.n_tokens)
        if time.monotonic() - since > FLUSH:
            _flush(writer, finished)
            since = time.monotonic()
    _flush(writer, finished)


def _flush(writer: Writer, finished: list[dict[str, Any]]) -> None:
    """One part file a trace; requests are whole, so nothing is recorded in halves."""
    finished.sort(key=lambda row: row["trace_id"])
    for owner, members in groupby(finished, key=lambda row: row["trace_id"]):
        add_part(writer.folder(owner), rows(list(members), schema.ROLLOUTS))
    finished.clear()


def requests(writer: Writer, site: Site, wanted: Iterable[Draw]) -> Iterator[Request]:
    """Requests for the draws of a trace that are not recorded, boundary by boundary.

    Draws of one chunk share a request; a continuation has one of its own.
    """
    folder, missing = writer.folder(site.owner), list[tuple[Draw, list[Cut]]]()
    asked = keys(folder)
    for want in wanted:
        cuts = want.after or [Cut(draw) for draw in range(want.n)]
        missing.append((want, [c for c in cuts if (want.arm, want.boundary, c) not in asked]))
        asked.update((want.arm, want.boundary, c) for c in cuts)
    tokens = written(folder, {key for want, cuts in missing for key in _ancestors(want, cuts)})
    for want, cuts in missing:
        for _, group in groupby(cuts, key=lambda cut: _number(writer, cut)):
            yield _request(writer, site, want, list(group), tokens)


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
