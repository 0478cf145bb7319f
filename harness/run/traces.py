"""Traces: the model writes, the answer is checked, the reasoning is cut into sentences."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from harness.core import Draw, GivesTraces, Problem, Trace, UserError
from harness.engines.base import Engine
from harness.evidence.asking.labelling import AskedLabels, categories
from harness.evidence.recorder import Recorder, Start
from harness.evidence.requests import requests
from harness.run import truth
from harness.run.given import given
from harness.run.growth import stored, untraced
from harness.run.progress import Meter, metered
from harness.run.sampling import sample
from harness.run.work import POLL, Leases
from harness.store import schema
from harness.store.files import parts, write_frame, write_json
from harness.store.leases import lock
from harness.store.reading import read_json
from harness.store.traces import COMPLETE, load, sentence_frame, trace_frame
from harness.text.categories import Labels
from harness.text.segmentation import reasoning_span, sentences

ARM, SCREEN = "trace", "screen"


class NoTracesError(UserError):
    """No problem of the run yields a trace with a sentence."""


def write(
    recorder: Recorder,
    engine: Engine,
    problems: Sequence[Problem],
    labels: Labels | AskedLabels,
) -> list[Trace]:
    """The run's traces, written now where they are not there; skipped problems in skipped.json."""
    if todo := untraced(recorder.run, problems):
        traces, skipped = made(recorder, engine, todo)
        traces = [labelled(trace, labels, recorder.run) for trace in traces]
        with lock(recorder.run, "traces"):
            left = {problem.id for problem in untraced(recorder.run, todo)}
            if left:
                new = [trace for trace in traces if trace.problem.id in left]
                _add(recorder, problems, new, skipped)
    return load(recorder.run, [*stored(recorder.run), *problems])


def made(
    recorder: Recorder, engine: Engine, problems: Sequence[Problem]
) -> tuple[list[Trace], dict[str, str]]:
    """The traces of some problems, given or from their rollouts, and why a problem has none.

    What is missing is sampled together with all other processes that work on the run.
    """
    skipped: dict[str, str] = {}
    sampling, room = recorder.sampling, starts(recorder, problems, skipped)
    with metered("traces") as meter:
        if sampling.screen.draws:
            _sampled(recorder, engine, room, Draw(0, sampling.screen.draws, arm=SCREEN), meter)
            room = [start for start in room if _screened(recorder, start, skipped)]
        if isinstance(recorder.problems, GivesTraces):
            return given(recorder, recorder.problems, room, skipped), skipped
        _sampled(recorder, engine, room, Draw(0, sampling.attempts, arm=ARM), meter)
    return [trace for start in room for trace in _kept(recorder, start, skipped)], skipped


def _sampled(
    recorder: Recorder, engine: Engine, starts: Sequence[Start], draw: Draw, meter: Meter
) -> None:
    """Wait until every start has its draws, making those that nobody else makes."""
    leases = Leases(recorder.run, "traces")
    meter.expect(sum(len(r.draws) for start in starts for r in requests(recorder, start, [draw])))
    while wanted := [(start, [draw]) for start in starts if any(requests(recorder, start, [draw]))]:
        if not sample(recorder, engine, leases, wanted, meter):
            time.sleep(POLL)


def labelled(trace: Trace, labels: Labels | AskedLabels, run: Path) -> Trace:
    """The trace with the functions of its sentences."""
    texts = [sentence.text for sentence in trace.sentences]
    found = categories(labels, trace.problem.question, texts, run)
    pairs = zip(trace.sentences, found, strict=True)
    return replace(trace, sentences=tuple(replace(s, category=label) for s, label in pairs))


def starts(recorder: Recorder, problems: Sequence[Problem], skipped: dict[str, str]) -> list[Start]:
    """A start a problem whose prompt leaves room in the model's context."""
    found: list[Start] = []
    sampling = recorder.sampling
    for problem in problems:
        ids = recorder.subject.prompt_ids(problem, recorder.problems.instruction)
        most = len(ids) + sampling.max_tokens + sampling.answer_tokens
        if most > recorder.subject.context:
            skipped[problem.id] = (
                f"its prompt of {len(ids)} tokens, sampling.max_tokens={sampling.max_tokens} and "
                f"answer_tokens exceed the model's context of {recorder.subject.context}"
            )
        else:
            found.append(Start(problem.id, problem, ids, (), (0,)))
    return found


def _screened(recorder: Recorder, start: Start, skipped: dict[str, str]) -> bool:
    screen = recorder.sampling.screen
    frame = parts(recorder.folder(start.owner), schema.ROLLOUTS).filter(pl.col("arm") == SCREEN)
    share = float(frame["correct"].cast(pl.Float64).mean() or 0.0)  # pyright: ignore[reportArgumentType]
    if screen.low <= share <= screen.high:
        return True
    skipped[start.problem.id] = f"screened out: {share:.2f} of {len(frame)} draws are right"
    return False


def _kept(recorder: Recorder, start: Start, skipped: dict[str, str]) -> list[Trace]:
    """The first traces of a problem that are as `sampling.keep` asks and can be cut."""
    sampling = recorder.sampling
    frame = parts(recorder.folder(start.owner), schema.ROLLOUTS).filter(pl.col("arm") == ARM)
    wanted = {"all": (True, False), "correct": (True,), "incorrect": (False,)}[sampling.keep]
    written = frame.sort("draw").head(sampling.attempts).iter_rows(named=True)
    traces = [_trace(recorder, start, row) for row in written if row["correct"] in wanted]
    cut = [trace for trace in traces if trace.sentences]
    if not traces:
        skipped[start.problem.id] = f"none of {len(frame)} traces is {sampling.keep}"
    elif not cut:
        skipped[start.problem.id] = f"none of {len(frame)} traces has a sentence"
    return cut[: sampling.traces]


def _trace(recorder: Recorder, start: Start, row: dict[str, Any]) -> Trace:
    subject, ids = recorder.subject, tuple(row["token_ids"])
    text, starts = subject.decode(ids), subject.starts(ids)
    span = reasoning_span(text, subject.conf.open_tag, subject.conf.close_tag)
    return Trace(
        id=f"{start.owner}#{row['draw']}",
        problem=start.problem,
        model=subject.conf.name,
        revision=subject.revision,
        seed=row["seed"],
        prompt_ids=start.prompt_ids,
        token_ids=ids,
        text=text,
        sentences=sentences(text, starts, span, recorder.segmenter),
        answer=row["answer"],
        correct=row["correct"],
        origin="sampled",
        finish_reason=row["finish_reason"],
        starts=tuple(starts),
    )


def _add(
    recorder: Recorder, problems: Sequence[Problem], new: Sequence[Trace], skipped: dict[str, str]
) -> None:
    """Sentences before traces: traces.parquet says which problems are done, skipped.json, too."""
    run = recorder.run
    old = load(run, [*stored(run), *problems]) if (run / COMPLETE).exists() else []
    traces, skipped = [*old, *new], {**(read_json(run / "skipped.json") if old else {}), **skipped}
    if not traces:
        reasons = "; ".join(f"{k}: {v}" for k, v in list(skipped.items())[:3])
        raise NoTracesError(f"no problem yields a trace ({reasons})")
    if skipped:
        write_json(recorder.run / "skipped.json", skipped)
    cut = truth.export(recorder, traces, sentence_frame(traces))
    write_frame(recorder.run / "sentences.parquet", cut)
    write_frame(recorder.run / COMPLETE, trace_frame(traces))
