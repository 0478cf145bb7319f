"""Texts under masks: what many of them hide first is hidden once for all."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from transformers.cache_utils import DynamicCache

from harness.models.conditions import Hidden, Stretch
from harness.models.packing import packed
from harness.models.texts.parts import Continuation, Part, groups
from harness.models.texts.scoring import Score, scored

PASS = 150  # tokens that are read in the time of a pass itself, whatever it reads


def nested(
    model: Any, cache: DynamicCache, parts: Sequence[Part], known: int, size: int
) -> Iterator[tuple[int, Continuation, Score]]:
    """The scores of parts under masks, the cache being under the first `known` of each.

    What follows the next sentence that is hidden is read once for all that hide it where that saves
    more than the pass takes. The cache is lost behind the first of these.
    """
    alike: dict[Hidden | None, list[Part]] = {}
    for part in parts:
        span = part.hidden[known] if known < len(part.hidden) else None
        alike.setdefault(span, []).append(part)
    shared = {span: some for span, some in alike.items() if span and _pays(span, some, known)}
    rest = [part for span, some in alike.items() if span not in shared for part in some]
    for group in groups([replace(part, first=part.start(known)) for part in rest], size):
        yield from scored(model, cache, group)
    for span in sorted(shared, reverse=True):
        some = shared[span]
        end = max(part.at for part in some)
        read = torch.tensor(some[0].asked.resolved.ids[span.begin : end], device=model.device)
        behind = Stretch(0, span.begin, end, some[0].hidden[: known + 1])
        packed(model, read, cache, [behind], kept=True)
        yield from nested(model, cache, some, known + 1, size)


def _pays(span: Hidden, parts: Sequence[Part], known: int) -> bool:
    """Whether a pass behind a hidden sentence saves more tokens than it costs."""
    cost = max(part.at for part in parts) - span.begin + PASS
    return sum(part.saved(known) for part in parts) > cost


@contextmanager
def put_back(cache: DynamicCache) -> Generator[None]:
    """The cache is as it was when this ends."""
    layers: list[Any] = cache.layers
    before = [(layer.keys, layer.values) for layer in layers]
    for layer, (keys, values) in zip(layers, before, strict=True):
        layer.keys, layer.values = keys.clone(), values.clone()
    yield
    for layer, (keys, values) in zip(layers, before, strict=True):
        layer.keys, layer.values = keys, values
