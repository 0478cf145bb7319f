"""Kinds of work: what wants of a trace come to in requests, rollouts, passes and tokens."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import ceil
from typing import Any

from harness.core import (
    Condition,
    Depart,
    Draw,
    Gradient,
    Lens,
    Likelihood,
    Mask,
    Reach,
    ReadRollouts,
    Route,
    Suppress,
    Trace,
    Want,
)
from harness.engines.base import Request
from harness.evidence.recorder import Recorder, Start, start_of
from harness.evidence.requests import requests
from harness.evidence.wants import conditions, looks, together
from harness.models.likelihood import LEAST
from harness.plan.load import Load


def drawing(
    recorder: Recorder, answer: int, trace: Trace, wanted: Sequence[Want[Any]]
) -> Iterator[tuple[str, Load]]:
    """The rollouts of a trace: on average they are as long as what it wrote from there on."""

    def length(request: Request) -> float:
        if request.extra and not request.begun:
            return float(answer)
        if request.until == "sentence":
            return 1 + _sentence(trace)  # the token that begins the next one
        left = float(len(trace.prompt_ids) + len(trace.token_ids) - request.cut)
        return left if left >= 0 else float(answer)  # behind a text longer than the trace

    # What goes on behind other rollouts is counted as if it began at the boundary, too. What is
    # done to the model meanwhile takes nothing, but for another one that reads and writes with it.
    wanted = [want for want in wanted if isinstance(want, Draw)]
    draws = [replace(w, of="", condition=replace(w.condition, under=())) for w in wanted]
    yield from asked(recorder, start_of(trace), draws, length)
    routed = {w.arm for w in wanted if any(isinstance(each, Route) for each in w.condition.under)}
    beside = [draw for draw in draws if draw.arm in routed]
    for name, load in asked(recorder, start_of(trace), beside, length):
        yield f"{name}, by the other checkpoint", replace(load, requests=0, rollouts=0)


def asked(
    recorder: Recorder, start: Start, draws: Sequence[Draw], length: Callable[[Request], float]
) -> Iterator[tuple[str, Load]]:
    """The requests of an engine by arm; none is made where the prefix already reaches the cap."""
    computed: dict[tuple[int, ...], int] = {}  # of a base, how much of it
    for request in requests(recorder, start, draws):
        prefix, n = len(request.prefix), len(request.draws)
        room = request.max_length - prefix
        if room <= 0:
            continue
        each = min(length(request), room)
        written, known = float(n * each), computed.get(request.base, 0)
        shared = max(0, request.cut - known) + len(request.extra)
        computed[request.base] = max(known, request.cut)
        behind, attended = written * prefix, written * (prefix + each / 2)
        load = Load(1, n, prefix, shared, written, behind, attended)
        yield f"rollouts ({request.key[1]})", load


def _sentence(trace: Trace) -> float:
    """Mean tokens of a sentence."""
    return (trace.reasoning.stop - trace.reasoning.start) / max(1, len(trace.sentences))


def reading(
    recorder: Recorder, trace: Trace, wanted: Sequence[Want[Any]]
) -> Iterator[tuple[str, Load]]:
    """The passes over a trace."""
    length = float(len(trace.prompt_ids) + len(trace.token_ids))
    for want in wanted:
        if isinstance(want, Depart):
            yield f"passes over the traces ({want.arm})", Load(passes=1, read=length)
    for condition in conditions(wanted):
        by = f" by {condition.checkpoint}" if condition.checkpoint else ""
        known = _known(trace, condition)  # read once, whatever is changed behind it
        yield f"passes over the traces{by}", Load(passes=1, read=length - known)
    masked = sum(isinstance(want, Suppress) for want in wanted)
    after = sum(len(trace.token_ids) - s.start for s in trace.sentences)
    if masked:
        passes = masked * (1 + len(trace.sentences))
        read = masked * (length + after)  # what stands before a sentence is read once
        yield "passes with a sentence masked", Load(passes=passes, read=read)
    shared = together([want for want in wanted if isinstance(want, Reach | Lens | Gradient)])
    if inside := sum(map(looks, shared)):
        yield "passes looked into", Load(passes=inside, read=length * inside)
    if texts := [want for want in wanted if isinstance(want, Likelihood)]:
        yield "texts behind boundaries", _texts(recorder, trace, texts)
    if begun := [want for want in wanted if isinstance(want, ReadRollouts)]:
        rollouts = len(begun) * recorder.sampling.draws
        read = length + rollouts * _sentence(trace)
        yield "rollouts read again", Load(passes=len(begun), read=read)


def _known(trace: Trace, condition: Condition) -> int:
    """Tokens before the first edit of a trace; 0 where nothing is edited."""
    if not condition.edits or condition.under:
        return 0
    stops = start_of(trace).stops
    return len(trace.prompt_ids) + stops[min(condition.edits[0].start, len(stops) - 1)]


def _texts(recorder: Recorder, trace: Trace, wants: Sequence[Likelihood]) -> Load:
    """A pass of each checkpoint; then every text, with what its condition changes before it."""
    encoded = {text: len(recorder.subject.encode(text)) for want in wants
               for text in (want.append, want.text)}  # fmt: skip
    behind = 0.0
    for want in wants:
        n = len(trace.sentences) + 1 if want.boundaries is None else len(want.boundaries)
        behind += n * (encoded[want.append] + encoded[want.text]) + _changed(trace, want.condition)
    length = float(len(trace.prompt_ids) + len(trace.token_ids))
    passes = len({want.condition.checkpoint for want in wants})
    shared = ceil(behind / max(length, LEAST)) if any(w.condition.under for w in wants) else 0
    return Load(passes=passes + shared, read=passes * length + behind)


def _changed(trace: Trace, condition: Condition) -> int:
    """Tokens behind the first sentence that is edited or hidden."""
    stops = start_of(trace).stops
    masks = (each.sentences for each in condition.under if isinstance(each, Mask))
    first = [stops[edit.start] for edit in condition.edits[:1]]
    first += [stops[min(numbers) + 1] for numbers in masks if numbers]
    return stops[-1] - min(first) if first else 0
