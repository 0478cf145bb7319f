"""Draws: wanted rollouts become requests, finished ones become rows, each recorded once."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from harness import schema
from harness.answers import canonical, extract
from harness.engine import Engine, Finished, Request
from harness.progress import Meter
from harness.segmentation import Segmenter, reasoning_span
from harness.settings import Sampling
from harness.store import add_part, derive, parts, rows, slug
from harness.subject import Subject
from harness.types import Draw, Problem, ProblemSet, Rollouts, UserError

FLUSH = 10.0  # seconds of finished work at risk

Key = tuple[str, int, int]  # arm, boundary, draw


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
        _owner, arm, boundary, chunk = done.request.key
        written = (*done.request.prefix,)[len(site.prompt_ids) :]
        before = self.subject.decode(written)
        for draw, ids, reason in zip(
            done.request.draws, done.token_ids, done.finish_reason, strict=True
        ):
            text = self.subject.decode(ids)
            answer = canonical(extract(before + text, self.problems.pattern))
            first = self.first(text)
            yield {
                "trace_id": site.owner,
                "boundary": int(boundary),
                "arm": arm,
                "chunk": int(chunk),
                "draw": draw,
                "token_ids": ids,
                "first_sentence_stop": self.stop(ids, len(first)),
                "first_sentence": first.strip(),
                "answer": answer,
                "correct": self.problems.correct(site.problem, answer),
                "finish_reason": reason,
                "n_tokens": len(ids),
                "seed": done.request.seed,
            }

    def first(self, text: str) -> str:
        """The first sentence of the reasoning in a continuation; empty where it ends at once."""
        stop = reasoning_span(text, "", self.subject.conf.close_tag)[1]
        spans = self.segmenter(text[:stop])
        return text[: spans[0][1]] if spans else ""

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
    writer: Writer,
    engine: Engine,
    wanted: Iterable[tuple[Site, Sequence[Draw]]],
    meter: Meter,
    confirm: Callable[[], None] = lambda: None,
) -> None:
    """Record every wanted rollout that is not yet recorded.

    `wanted` is followed only as far as the engine has got; `confirm` is called before anything is
    recorded, and raises where it no longer may be.
    """
    sites: dict[str, Site] = {}
    full: list[Finished] = []
    finished: list[dict[str, Any]] = []
    since = time.monotonic()

    def asked() -> Iterator[Request]:
        for site, draws in wanted:
            sites[site.owner] = site
            for request in requests(writer, site, draws):
                if len(request.prefix) < request.max_length:
                    yield request
                else:
                    full.append(_ended(request))

    for done in chain(engine.sample(asked()), full):
        finished.extend(writer.rows(sites[done.request.key[0]], done))
        meter.add(len(done.request.draws), done.n_tokens)
        if time.monotonic() - since > FLUSH:
            confirm()
            _flush(writer, finished)
            since = time.monotonic()
    confirm()
    _flush(writer, finished)


def _flush(writer: Writer, finished: list[dict[str, Any]]) -> None:
    """One part file a trace; requests are whole, so nothing is recorded in halves."""
    finished.sort(key=lambda row: row["trace_id"])
    for owner, members in groupby(finished, key=lambda row: row["trace_id"]):
        add_part(writer.folder(owner), rows(list(members), schema.ROLLOUTS))
    finished.clear()


def requests(writer: Writer, site: Site, wanted: Iterable[Draw]) -> Iterator[Request]:
    """Requests for the draws of a trace that are not recorded, boundary by boundary."""
    sampling, recorded = writer.sampling, keys(writer.folder(site.owner))
    for draw in wanted:
        missing = [d for d in range(draw.n) if (draw.arm, draw.boundary, d) not in recorded]
        for chunk, numbers in groupby(missing, key=lambda d: d // sampling.chunk):
            yield Request(
                key=(site.owner, draw.arm, str(draw.boundary), str(chunk)),
                base=site.prompt_ids + site.token_ids,
                cut=len(site.prompt_ids) + site.stops[draw.boundary],
                extra=writer.subject.encode(draw.append) if draw.append else (),
                draws=tuple(numbers),
                seed=derive(sampling.seed, site.owner, draw.arm, draw.boundary, chunk),
                until=draw.until,
                max_length=len(site.prompt_ids) + _cap(writer, site, draw),
            )


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


def keys(folder: Path) -> set[Key]:
    """What is recorded of a trace."""
    frame = parts(folder, schema.ROLLOUTS, ["arm", "boundary", "draw"])
    return set(frame.iter_rows())


def begun(folder: Path, arm: str) -> dict[tuple[int, int], tuple[int, ...]]:
    """The tokens of the first sentence of each recorded rollout, by boundary and draw."""
    columns = ["arm", "boundary", "draw", "token_ids", "first_sentence_stop"]
    frame = parts(folder, schema.ROLLOUTS, columns).filter(pl.col("arm") == arm)
    first = pl.col("token_ids").list.head("first_sentence_stop")
    found = frame.select("boundary", "draw", first).iter_rows()
    return {(boundary, draw): tuple(ids) for boundary, draw, ids in found}


def load(folder: Path) -> dict[tuple[str, int], Rollouts]:
    """The recorded rollouts of a trace by arm and boundary, in the order of their draws."""
    columns = ["arm", "boundary", "draw", "answer", "correct", "first_sentence"]
    frame = parts(folder, schema.ROLLOUTS, columns).sort("arm", "boundary", "draw")
    if frame.select("arm", "boundary", "draw").is_duplicated().any():
        raise UserError(f"{folder}: holds rollouts twice; remove the folder and run again")
    return {
        (str(arm), int(boundary)): _rollouts(group)  # pyright: ignore[reportArgumentType]
        for (arm, boundary), group in frame.group_by("arm", "boundary", maintain_order=True)
    }


def _rollouts(group: pl.DataFrame) -> Rollouts:
    return Rollouts(
        group["draw"].to_numpy().astype(np.int64),
        tuple(group["answer"]),
        group["correct"].to_numpy().astype(bool),
        tuple(group["first_sentence"]),
    )
