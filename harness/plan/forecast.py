"""Forecast: what a run will ask for, added up from what its detectors want; loads no weights."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from harness.cli.assumptions import Length
from harness.core import (
    Detector,
    Draw,
    Evidence,
    Problem,
    ReadText,
    Sentence,
    Trace,
    Want,
)
from harness.evidence.example import foreseen
from harness.evidence.gather import Gatherer
from harness.evidence.recorder import Recorder
from harness.plan.kinds import asked, drawing, reading
from harness.plan.load import Load
from harness.run import traces
from harness.run.growth import untraced
from harness.store.scores import scored

ROLLOUT, WRITTEN, READ, SCORE, HALF = 20, 2, 22, 40, 8  # bytes on disk, rather too many


@dataclass(frozen=True)
class Work:
    """A run to forecast: its detectors with the hashes of their options, and what is assumed.

    `length` is of a trace that is not written yet, `answer` in tokens.
    """

    gatherer: Gatherer
    problems: Sequence[Problem]
    detectors: Mapping[str, Detector]
    hashes: Mapping[str, str]
    length: Length
    answer: int

    @property
    def recorder(self) -> Recorder:
        """What makes requests of draws."""
        return self.gatherer.recorder


@dataclass(frozen=True)
class Forecast:
    """What a run has still to do, by kind of work, over some traces.

    The first `stored` of `traces` are recorded, the others of assumed length. `disk` is what the
    run folder grows by, in bytes, figures aside.
    """

    loads: Mapping[str, Load]
    traces: Sequence[Trace]
    stored: int
    disk: float

    @property
    def whole(self) -> Load:
        """Everything together."""
        return sum(self.loads.values(), Load())


def forecast(work: Work) -> Forecast:
    """What is still to do; raises UserError if a stored trace belongs to no problem."""
    run, loads = work.recorder.run, defaultdict[str, Load](Load)
    stored = traces.load(run, work.problems) if (run / traces.COMPLETE).exists() else []
    work = replace(work, length=_like(stored, work.length))
    todo = replace(work, problems=untraced(run, work.problems))
    for name, load in _writing(todo):
        loads[name] += load
    every = [*stored, *_imagined(todo)]
    done = {n: scored(work.recorder.run, n, h) for n, h in work.hashes.items()}
    texts: set[ReadText] = set()
    for trace in every:
        left = {n: d for n, d in work.detectors.items() if trace.id not in done[n]}
        have = work.gatherer.start(trace)
        wanted = wanted_of(work.gatherer, trace, have, left) if left else []
        for name, load in [
            *drawing(work.recorder, work.answer, trace, wanted),
            *reading(work.recorder, trace, wanted),
        ]:
            loads[name] += load
        texts |= {want for want in wanted if isinstance(want, ReadText)}
    if texts:
        read = float(sum(len(work.recorder.subject.encode(text.text)) for text in texts))
        loads["texts read alone"] = Load(passes=len(texts), read=read)
    whole = sum(loads.values(), Load())
    disk = ROLLOUT * whole.rollouts + WRITTEN * whole.written
    return Forecast(dict(loads), every, len(stored), disk + sum(_kept(work, t) for t in every))


def _like(stored: Sequence[Trace], length: Length) -> Length:
    """The mean length of the traces that there are, else the one that is assumed."""
    if not stored:
        return length
    tokens = np.mean([len(trace.token_ids) for trace in stored])
    return Length(round(tokens), round(np.mean([len(trace.sentences) for trace in stored])))


def _writing(work: Work) -> Iterator[tuple[str, Load]]:
    """The traces themselves, with the draws that screen problems."""
    sampling, recorder = work.recorder.sampling, work.recorder
    draws = [Draw(0, sampling.attempts, arm=traces.ARM)]
    if sampling.screen.draws:
        draws.append(Draw(0, sampling.screen.draws, arm=traces.SCREEN))
    for start in traces.starts(recorder, work.problems, {}):
        yield from asked(recorder, start, draws, lambda _: float(work.length.tokens))


def _imagined(work: Work) -> list[Trace]:
    """Traces of the assumed length, as many as there may be."""
    recorder, length = work.recorder, work.length
    edges = np.linspace(0, length.tokens, length.sentences + 1).astype(int).tolist()
    text = "This is one step of the reasoning. "
    cut = [Sentence(text, a, b, None) for a, b in pairwise(edges)]
    whole = text * length.sentences
    model, revision = recorder.subject.conf.name, ""
    return [
        Trace(
            f"{start.owner}#{i}", start.problem, model, revision, 0, start.prompt_ids,
            (0,) * length.tokens, whole, tuple(cut), start.problem.answer, True, "assumed", "stop",
        )
        for start in traces.starts(recorder, work.problems, {})
        for i in range(recorder.sampling.traces)
    ]  # fmt: skip


def wanted_of(
    gatherer: Gatherer, trace: Trace, have: Evidence, askers: Mapping[str, object]
) -> list[Want[Any]]:
    """What is missing of a trace, asked again as if all rollouts were there."""
    return foreseen(lambda there: gatherer.missing(trace, there, askers), trace, have)


def _kept(work: Work, trace: Trace) -> float:
    """Bytes of readings and scores."""
    splits = [
        work.recorder.sampling.splits * bool(work.gatherer.arms(trace, d))
        for d in work.detectors.values()
    ]
    scores = sum(SCORE + 2 * HALF * n for n in splits) * len(trace.sentences)
    return float(READ * len(trace.token_ids) + scores)
