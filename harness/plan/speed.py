"""Speed: what a model writes and reads in a second here, measured for a plan."""

import time
from collections.abc import Sequence
from dataclasses import replace

from harness.cli.assumptions import Assumptions
from harness.core import Read, Trace
from harness.engines.base import Engine, Finished, Request
from harness.evidence.recorder import Recorder, Start
from harness.models.forward import read
from harness.text.segmentation import reasoning_span, sentences

PASSES = 8  # that are timed
ROLLOUTS = 128  # that an engine is given at once


def measured(
    recorder: Recorder, engine: Engine, starts: Sequence[Start], conf: Assumptions
) -> Assumptions:
    """The assumptions with both speeds as seen, and the lengths unless `length` cut some short."""
    start, found = time.monotonic(), list[Finished]()
    while not found or time.monotonic() - start < conf.seconds:
        found += engine.sample(_requests(recorder, starts, conf, len(found)))
    seconds = time.monotonic() - start
    conf = replace(conf, sampled_per_second=sum(f.n_tokens for f in found) / seconds)
    ended = [ids for f in found for ids in f.token_ids]
    made = [_trace(recorder, starts[0], ids) for ids in ended[:PASSES] if ids]
    if not made:
        return conf
    cut_short = any(reason == "length" for f in found for reason in f.finish_reason)
    if not cut_short or conf.length >= recorder.sampling.max_tokens:
        cut = sum(len(trace.sentences) for trace in made) / len(made)
        tokens = sum(map(len, ended)) / len(ended)
        conf = replace(conf, tokens=max(1, round(tokens)), sentences=max(1, round(cut)))
    return replace(conf, read_per_second=_reading(recorder, made))


def _requests(
    recorder: Recorder, starts: Sequence[Start], conf: Assumptions, before: int
) -> list[Request]:
    """Traces of one problem after another, going on where `before` requests ended."""
    sampling, found = recorder.sampling, list[Request]()
    chunk, how = sampling.chunk, (sampling.temperature, sampling.top_p)
    for n in range(before, before + max(1, ROLLOUTS // chunk)):
        start = starts[n % len(starts)]
        draws = tuple(range(n * chunk, (n + 1) * chunk))
        size = len(start.prompt_ids)
        most = size + min(conf.length, sampling.max_tokens)
        key = (start.owner, "calibration", "0", str(n))
        found.append(Request(key, start.prompt_ids, size, (), draws, n, "end", most, *how))
    return found


def _trace(recorder: Recorder, start: Start, ids: tuple[int, ...]) -> Trace:
    subject = recorder.subject
    text, starts = subject.decode(ids), subject.starts(ids)
    span = reasoning_span(text, subject.conf.open_tag, subject.conf.close_tag)
    cut = sentences(text, starts, span, recorder.segmenter)
    return Trace(
        start.owner, start.problem, subject.conf.name, "", 0, start.prompt_ids,
        ids, text, cut, "", False, "calibration", "",
    )  # fmt: skip


def _reading(recorder: Recorder, made: Sequence[Trace]) -> float:
    """Tokens a second of plain passes, after one that warms up."""
    want = Read(entropy=True, logprob=True)
    read(recorder.subject, made[0], want)
    start = time.monotonic()
    for trace in made:
        read(recorder.subject, trace, want)
    tokens = sum(len(trace.prompt_ids) + len(trace.token_ids) for trace in made)
    return tokens / (time.monotonic() - start)
