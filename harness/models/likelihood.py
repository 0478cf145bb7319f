"""Log-probabilities of what continues a trace at its boundaries, and the states it ends with.

The trace is read once; every continuation is a stretch behind its cached start. The token before a
boundary is read again with each of them: it predicts what comes, and is not steered for the
sentence that stood there. Conditions under which few texts are asked for, all behind one boundary,
share passes: what they change is read with the text itself. Where many hide the same sentences
first, what comes up to the next one that is hidden is read once for all of them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers.cache_utils import DynamicCache

from harness.models.architectures.layers import uncached
from harness.models.conditions import Stretch
from harness.models.edits import NOWHERE, Resolved
from harness.models.forward import prefilled
from harness.models.model import Subject, Weights
from harness.models.packing import packed
from harness.models.texts.nested import nested, put_back
from harness.models.texts.parts import Asked, Continuation, Part, groups
from harness.models.texts.scoring import Score, scored
from harness.models.texts.whole import read_whole

PACK = 1  # tokens of one pass, in lengths of the prompt and trace, and
LEAST = 2048  # at least so many: a pass over fewer spends its time between the layers
FEW = 2  # texts behind one boundary before which what a condition changes is read again for each


def scores(
    subject: Subject | Weights, trace_ids: Sequence[int], asked: Sequence[Asked]
) -> Iterator[tuple[int, Continuation, Score]]:
    """The score of each continuation that has a token and fits, with the number of its condition.

    `trace_ids` are prompt and trace as they are. Left out is what starts at a boundary that is not
    there or does not fit into the model's context. A model whose attention is not full or sliding
    softmax attention reads each text from the beginning. Raises UserError where a sentence is to be
    hidden from one, or its states steered.
    """
    model, fitting = subject.model, [_fitting(each, subject.context) for each in asked]
    size = max(PACK * len(trace_ids), LEAST)
    if not any(fitting):
        return
    if uncached(model.config):
        yield from read_whole(model, asked, fitting, size)
        return
    ends = [_end(each, some) for each, some in zip(asked, fitting, strict=True)]
    shared = max(min(end, each.resolved.first) for end, each in zip(ends, asked, strict=True))
    tokens = torch.tensor(trace_ids[: max(1, shared)], device=model.device)
    _, cache = prefilled(model, tokens)
    alone = [_alone(some) for some in fitting]
    whole = [
        Part(n, c, asked[n], asked[n].resolved.first)
        for n, some in enumerate(fitting)
        for c in some
        if alone[n]
    ]
    masked: dict[bool, list[Part]] = {True: [], False: []}
    for part in whole:
        masked[part.masked(trace_ids)].append(part)
    # These leave the cache as it was; those below write into it.
    for group in groups(masked[False], size):
        yield from scored(model, cache, group)
    with put_back(cache):
        yield from nested(model, cache, masked[True], 0, size)
    # A condition's tokens take the place of all behind its first change, so the last goes first.
    for number in sorted(range(len(asked)), key=lambda n: -asked[n].resolved.first):
        one = asked[number]
        if not alone[number]:
            _continue(model, one.resolved, ends[number], cache)
            parts = [Part(number, c, one) for c in fitting[number]]
            for group in groups(parts, size):
                yield from scored(model, cache, group)


def _fitting(asked: Asked, context: int) -> list[Continuation]:
    """The continuations that have a token, start somewhere and end within the context."""
    found: list[Continuation] = []
    for continuation in asked.continuations:
        at = asked.resolved.stops[continuation.boundary]
        if continuation.ids and at != NOWHERE and at + len(continuation.ids) <= context:
            found.append(continuation)
    return found


def _end(asked: Asked, continuations: Sequence[Continuation]) -> int:
    """The position of the last boundary that is continued."""
    return max((asked.resolved.stops[c.boundary] for c in continuations), default=0)


def _continue(model: Any, resolved: Resolved, end: int, cache: DynamicCache) -> None:
    """Put the keys and values behind a condition's first change into the cache, up to `end`."""
    if resolved.first < end:
        tokens = torch.tensor(resolved.ids[resolved.first : end], device=model.device)
        changed = Stretch(0, resolved.first, end, resolved.hidden, resolved.steered)
        packed(model, tokens, cache, [changed], kept=True)


def _alone(continuations: Sequence[Continuation]) -> bool:
    """Whether there are few, all behind one boundary."""
    return len(continuations) <= FEW and len({c.boundary for c in continuations}) == 1
