"""Speed: what a model writes and reads in a second here, measured for a plan."""

import time
from collections.abc import Sequence
from dataclasses import replace

from harness.core import Read, Trace
from harness.engines.base import Engine, Finished, Request
from harness.evidence.recorder import Site, Writer
from harness.models.forward import read
from harness.plan.assumptions import Assumed
from harness.text.segmentation import reasoning_span, sentences

PASSES = 8  # that are timed
ROLLOUTS = 128  # that an engine is given at once


def measured(writer: Writer, engine: Engine, sites: Sequence[Site], conf: Assumed) -> Assumed:
    """The assumptions with both speeds as seen, and the lengths unless `length` cut some short."""
    start, found = time.monotonic(), list[Finished]()
    while not found or time.monotonic() - start < conf.seconds:
        found += engine.sample(_requests(writer, sites, conf, len(found)))
    seconds = time.monotonic() - start
    conf = replace(conf, sampled_per_second=sum(f.n_tokens for f in found) / seconds)
    ended = [ids for f in found for ids in f.token_ids]
    made = [_trace(writer, sites[0], ids) for ids in ended[:PASSES] if ids]
    if not made:
        return conf
    cut_short = any(reason == "length" for f in found for reason in f.finish_reason)
    if not cut_short or conf.length >= writer.sampling.max_tokens:
        cut = sum(len(trace.sentences) for trace in made) / len(made)
        tokens = sum(map(len, ended)) / len(ended)
        conf = replace(conf, tokens=max(1, round(tokens)), sentences=max(1, round(cut)))
    return replace(conf, read_per_second=_reading(writer, made))


def _requests(writer: Writer, sites: Sequence[Site], conf: Assumed, before: int) -> list[Request]:
    """Traces of one problem after another, going on where `before` requests ended."""
    chunk, found = writer.sampling.chunk, list[Request]()
    for n in range(before, before + max(1, ROLLOUTS // chunk)):
        site = sites[n % len(sites)]
        draws = tuple(range(n * chunk, (n + 1) * chunk))
        size = len(site.prompt_ids)
        most = size + min(conf.length, writer.sampling.max_tokens)
        key = (site.owner, "calibration", "0", str(n))
        found.append(Request(key, site.prompt_ids, size, (), draws, n, "end", most))
    return found


def _trace(writer: Writer, site: Site, ids: tuple[int, ...]) -> Trace:
    subject = writer.subject
    text, starts = subject.decode(ids), subject.starts(ids)
    span = reasoning_span(text, subject.conf.open_tag, subject.conf.close_tag)
    cut = sentences(text, starts, span, writer.segmenter)
    return Trace(
        site.owner, site.problem, subject.conf.name, "", 0, site.prompt_ids,
        ids, text, cut, "", False, "calibration", "",
    )  # fmt: skip


def _reading(writer: Writer, made: Sequence[Trace]) -> float:
    """Tokens a second of plain passes, after one that warms up."""
    want = Read(entropy=True, logprob=True)
    read(writer.subject, made[0], want)
    start = time.monotonic()
    for trace in made:
        read(writer.subject, trace, want)
    tokens = sum(len(trace.prompt_ids) + len(trace.token_ids) for trace in made)
    return tokens / (time.monotonic() - start)
