"""Log-probabilities of what continues a trace at its boundaries, and the states it ends with.

The trace is read once; every continuation is a stretch behind its cached start. The token before a
boundary is read again with each of them: it predicts what comes, and is not steered for the
sentence that stood there. Conditions under which few texts are asked for, all behind one boundary,
share passes: what they change is read with the text itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers.cache_utils import DynamicCache

from harness.models.conditions import Steered, Stretch
from harness.models.edits import NOWHERE, Resolved
from harness.models.forward import ROWS, float32, logits, prefilled
from harness.models.model import Subject, Weights
from harness.models.packing import check, grouped, packed, positions_read
from harness.statistics.distributions import as_sampled, entropy_and_logprob

PACK = 1  # tokens of one pass, in lengths of the prompt and trace, and
LEAST = 2048  # at least so many: a pass over fewer spends its time between the layers
FEW = 2  # texts behind one boundary before which what a condition changes is read again for each


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
    size = max(PACK * len(trace_ids), LEAST)
    alone = [_alone(some) for some in fitting]
    whole = [
        _Part(n, c, asked[n], asked[n].resolved.first)
        for n, some in enumerate(fitting)
        for c in some
        if alone[n]
    ]
    # These leave the cache as it was; those below write into it.
    for group in _groups(whole, size):
        yield from _scored(model, cache, group)
    # A condition's tokens take the place of all behind its first change, so the last goes first.
    for number in sorted(range(len(asked)), key=lambda n: -asked[n].resolved.first):
        one = asked[number]
        if not alone[number]:
            _continue(model, one.resolved, ends[number], cache)
            parts = [_Part(number, c, one) for c in fitting[number]]
            for group in _groups(parts, size):
                yield from _scored(model, cache, group)


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


@dataclass(frozen=True, eq=False)
class _Part:
    """A continuation under the condition with some number, read from the position `first` on.

    Without one it starts with the token before its boundary.
    """

    number: int
    continuation: Continuation
    asked: Asked
    first: int | None = None

    def stretch(self, number: int) -> Stretch:
        """Its tokens with those before it, under what is done before its boundary."""
        resolved, c = self.asked.resolved, self.continuation
        at = resolved.stops[c.boundary]
        start = at - 1 if self.first is None else min(self.first, at - 1)
        stop = at + len(c.ids) - (0 if self.asked.layers else 1)
        before = resolved.before(at)
        own = tuple(
            Steered(layer, vector, ((at - 1, at + len(c.ids) - 1),), written=True)
            for layer, vector in c.steered
        )
        # Who is hidden from all that comes later need not be read, unless it predicts the text.
        unread = {(h.low, h.high) for h in before.hidden if h.begin <= h.high}
        left_out = sorted(span for span in unread if start <= span[0] and span[1] < at)
        return Stretch(number, start, stop, before.hidden, before.steered + own, tuple(left_out))

    def tokens(self, stretch: Stretch) -> list[int]:
        """What the stretch reads."""
        at = self.asked.resolved.stops[self.continuation.boundary]
        whole = (*self.asked.resolved.ids[:at], *self.continuation.ids)
        return [whole[position] for position in positions_read(stretch).tolist()]

    def predicting(self, stretch: Stretch, hidden: Tensor) -> Tensor:
        """Its states that predict what is scored."""
        c = self.continuation
        low = len(stretch) - (stretch.stop - self.asked.resolved.stops[c.boundary] + 1)
        return hidden[low + c.given : low + len(c.ids)]


def _groups(parts: Sequence[_Part], size: int) -> Iterator[list[tuple[_Part, Stretch]]]:
    """Those that share a pass, with their stretches: alike in what is wanted of them."""
    alike: dict[tuple[object, ...], list[Stretch]] = {}
    for n, part in enumerate(parts):
        key = (part.asked.sampled, *part.asked.layers)
        alike.setdefault(key, []).append(part.stretch(n))
    for stretches in alike.values():
        for group in grouped(stretches, size):
            yield [(parts[stretch.number], stretch) for stretch in group]


@torch.inference_mode()
def _scored(
    model: Any, cache: DynamicCache, group: Sequence[tuple[_Part, Stretch]]
) -> list[tuple[int, Continuation, Score]]:
    some, asked = [part.continuation for part, _ in group], group[0][0].asked
    ids = [i for part, stretch in group for i in part.tokens(stretch)]
    tokens = torch.tensor(ids, device=model.device)
    made = packed(model, tokens, cache, [stretch for _, stretch in group], layers=asked.layers)
    pairs = zip(group, made, strict=True)
    final = torch.cat([part.predicting(stretch, h) for (part, stretch), (h, _) in pairs])
    written = torch.tensor([i for c in some for i in c.ids[c.given :]], device=final.device)
    values = _logprobs(model, final, written, asked.sampled)
    ends = np.cumsum([len(c.ids) - c.given for c in some])[:-1]
    states = [{n: float32(x[-1]) for n, x in blocks.items()} for _, blocks in made]
    numbers = [part.number for part, _ in group]
    scored = [Score(*pair) for pair in zip(np.split(values, ends), states, strict=True)]
    return [*zip(numbers, some, scored, strict=True)]


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
