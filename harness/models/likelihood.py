"""Log-probabilities of what continues a trace at its boundaries, and the states it ends with.

The trace is read once; every continuation is a stretch behind its cached start. The token before a
boundary is read again with each of them: it predicts what comes, and is not steered for the
sentence that stood there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers.cache_utils import DynamicCache

from harness.models.conditions import Steered
from harness.models.edits import NOWHERE, Resolved
from harness.models.forward import ROWS, float32, logits, prefilled
from harness.models.model import Subject, Weights
from harness.models.packing import Stretch, check, grouped, packed
from harness.statistics.distributions import as_sampled, entropy_and_logprob

PACK = 1  # tokens of one pass, in lengths of the prompt and trace


@dataclass(frozen=True)
class Continuation:
    """Tokens behind a boundary, of which the first `given` are not scored.

    `steered` are the blocks and vectors that steer the states of these tokens, too.
    """

    boundary: int
    ids: tuple[int, ...]
    given: int = 0
    steered: tuple[tuple[int, tuple[float, ...]], ...] = ()


@dataclass(frozen=True, eq=False)
class Score:
    """Log p of each scored token in nats, and the last token's state by block."""

    logprob: Float[np.ndarray, " tokens"]
    states: Mapping[int, Float[np.ndarray, " width"]]


@dataclass(frozen=True, eq=False)
class Asked:
    """What is to be scored under one condition: as sampled at a temperature and top-p, or as is."""

    resolved: Resolved
    continuations: Sequence[Continuation]
    sampled: tuple[float, float] | None = None
    layers: Sequence[int] = ()


def scores(
    subject: Subject | Weights, trace_ids: Sequence[int], asked: Sequence[Asked]
) -> Iterator[tuple[int, Continuation, Score]]:
    """The score of each continuation that has a token and fits, with the number of its condition.

    `trace_ids` are prompt and trace as they are. Left out is what starts at a boundary that is not
    there or does not fit into the model's context. Raises UserError for a model whose attention is
    not full or sliding softmax attention.
    """
    model, fitting = subject.model, [_fitting(each, subject.context) for each in asked]
    check(model)
    if not any(fitting):
        return
    ends = [_end(each, some) for each, some in zip(asked, fitting, strict=True)]
    shared = max(min(end, each.resolved.first) for end, each in zip(ends, asked, strict=True))
    tokens = torch.tensor(trace_ids[: max(1, shared)], device=model.device)
    _, cache = prefilled(model, tokens)
    # A condition's tokens take the place of all behind its first change, so the last goes first.
    for number in sorted(range(len(asked)), key=lambda n: -asked[n].resolved.first):
        one, some = asked[number], fitting[number]
        _continue(model, one.resolved, ends[number], cache)
        stretches = [_stretch(n, one, c) for n, c in enumerate(some)]
        for group in grouped(stretches, PACK * len(trace_ids)):
            yield from ((number, *pair) for pair in _scored(model, cache, one, some, group))


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


def _stretch(number: int, asked: Asked, continuation: Continuation) -> Stretch:
    """A continuation with the token before it, under what is done before its boundary."""
    at = asked.resolved.stops[continuation.boundary]
    stop = at + len(continuation.ids) - (0 if asked.layers else 1)
    before = asked.resolved.before(at)
    own = tuple(
        Steered(layer, vector, ((at - 1, at + len(continuation.ids) - 1),), written=True)
        for layer, vector in continuation.steered
    )
    return Stretch(number, at - 1, stop, before.hidden, before.steered + own)


@torch.inference_mode()
def _scored(
    model: Any,
    cache: DynamicCache,
    asked: Asked,
    continuations: Sequence[Continuation],
    group: Sequence[Stretch],
) -> list[tuple[Continuation, Score]]:
    some = [continuations[stretch.number] for stretch in group]
    ids = [
        i
        for stretch, c in zip(group, some, strict=True)
        for i in (asked.resolved.ids[stretch.start], *c.ids)[: len(stretch)]
    ]
    tokens = torch.tensor(ids, device=model.device)
    made = packed(model, tokens, cache, group, layers=asked.layers)
    final = torch.cat([h[c.given : len(c.ids)] for (h, _), c in zip(made, some, strict=True)])
    written = torch.tensor([i for c in some for i in c.ids[c.given :]], device=final.device)
    values = _logprobs(model, final, written, asked.sampled)
    ends = np.cumsum([len(c.ids) - c.given for c in some])[:-1]
    parts = np.split(values, ends)
    states = [{n: float32(x[-1]) for n, x in blocks.items()} for _, blocks in made]
    made_of = zip(some, parts, states, strict=True)
    return [(continuation, Score(part, last)) for continuation, part, last in made_of]


def _logprobs(
    model: Any, final: Tensor, token: Tensor, sampled: tuple[float, float] | None
) -> Float[np.ndarray, " tokens"]:
    """Log p of tokens given the states that predict them."""
    found: list[Tensor] = []
    for hidden, some in zip(final.split(ROWS), token.split(ROWS), strict=True):
        z = logits(model, hidden)
        if sampled is None:
            found.append(entropy_and_logprob(z, some)[1])
        else:
            found.append(as_sampled(z, *sampled).gather(1, some[:, None])[:, 0])
    return torch.cat(found).cpu().numpy()
