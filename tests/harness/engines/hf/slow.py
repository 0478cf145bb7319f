"""The obvious way to write under interventions: one eager pass a token, without any cache."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from harness.engines.base import Request
from harness.models.conditions import Forbidden, Recycled, Steered


@torch.no_grad()
def slow_logits(model: torch.nn.Module, ids: Sequence[int], request: Request) -> Tensor:
    """The logits behind every token of a sequence that begins with the request's prefix."""
    model.set_attn_implementation("eager")
    with ExitStack() as stack:
        for each in request.under:
            if isinstance(each, Steered):
                last = len(request.prefix) - 1
                stack.enter_context(_steering(model, each, len(ids), last))
            if isinstance(each, Recycled):
                stack.enter_context(_recycling(model, each, ids))
        logits = model(torch.tensor([[*ids]]), use_cache=False).logits[0]
    for each in request.under:
        if isinstance(each, Forbidden):
            for token in each.ids:
                logits[:, token] = -torch.inf
    return logits


def slow_greedy(model: torch.nn.Module, request: Request, end: int) -> tuple[int, ...]:
    """The likeliest token again and again."""
    ids = list(request.prefix)
    while len(ids) < request.max_length:
        token = int(slow_logits(model, ids, request)[-1].argmax())
        if token == end:
            break
        ids.append(token)
    return tuple(ids[len(request.prefix) :])


@contextmanager
def _steering(model: torch.nn.Module, steered: Steered, n: int, last: int) -> Iterator[None]:
    everywhere = range(n) if steered.spans is None else ()
    spans = [i for low, high in steered.spans or () for i in range(low, min(high, n))]
    places = {*everywhere, *spans, *(range(last, n) if steered.written else ())}

    def hook(_module: object, _given: object, output: Tensor) -> Tensor:
        for place in places:
            output[0, place] += torch.tensor(steered.vector)
        return output

    handle = model.model.layers[steered.layer].register_forward_hook(hook)
    yield
    handle.remove()


@contextmanager
def _recycling(model: torch.nn.Module, recycled: Recycled, tokens: Sequence[int]) -> Iterator[None]:
    """A block, token by token; the input of one that is recycled gives way to its output."""
    block = model.model.layers[recycled.layer]
    once: Callable[..., Tensor] = block.forward

    def forward(hidden: Tensor, **options: object) -> Tensor:
        fed, found = hidden.clone(), torch.empty_like(hidden)
        for t, token in enumerate(tokens):
            here = _first(options, t + 1)
            found[:, t] = once(fed[:, : t + 1], **here)[:, -1]
            if token in recycled.ids:
                fed[:, t] = found[:, t]
                found[:, t] = once(fed[:, : t + 1], **here)[:, -1]
        return found

    block.forward = forward
    yield
    del block.forward


def _first(options: dict[str, object], n: int) -> dict[str, object]:
    """A block's options for the first `n` tokens only."""
    cos, sin = options["position_embeddings"]
    mask = options["attention_mask"]
    return {
        **options,
        "position_embeddings": (cos[:, :n], sin[:, :n]),
        "position_ids": options["position_ids"][:, :n],
        "attention_mask": None if mask is None else mask[..., :n, :n],
    }
