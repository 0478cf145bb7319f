"""What is done to a model's blocks while it writes: they run again, and vectors are added."""

from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers.cache_utils import Cache, DynamicLayer

from harness.core import UserError
from harness.models.architectures.layers import blocks_of
from harness.models.conditions import Intervention, Recycled, Steered

NEVER = 2**62  # a position that no token has


def acting(under: Sequence[Intervention]) -> tuple[Steered | Recycled, ...]:
    """Those that act on blocks; a vector of zeros does nothing."""
    return tuple(
        each
        for each in under
        if isinstance(each, Recycled) or (isinstance(each, Steered) and any(each.vector))
    )


def splits(under: Sequence[Intervention]) -> bool:
    """Whether prefixes of one text are no longer prefixes of each other: their ends are steered."""
    return any(
        isinstance(each, Steered) and each.written and each.spans is not None
        for each in acting(under)
    )


class Vector(NamedTuple):
    """A steering vector on the model's device, with the block it is added behind."""

    block: int
    steered: Steered
    values: Tensor


class Blocks:
    """What the rollouts of one base have done to the blocks of a model, counted from 0."""

    def __init__(self, model: Any, under: Sequence[Steered | Recycled]) -> None:
        n = len(blocks_of(model))
        self.vectors = [
            Vector(
                each.layer % n,
                each,
                torch.tensor(each.vector, dtype=model.dtype, device=model.device),
            )
            for each in under
            if isinstance(each, Steered)
        ]
        self.recycled: dict[int, frozenset[int]] = defaultdict(frozenset)
        for each in under:
            if isinstance(each, Recycled):
                self.recycled[each.layer % n] |= frozenset(each.ids)

    def chunks(self, tokens: Sequence[int]) -> list[tuple[int, int]]:
        """Stretches of a prefix that end where a block runs again, as what follows reads that."""
        every = frozenset[int]().union(*self.recycled.values())
        ends = [i + 1 for i, token in enumerate(tokens) if token in every]
        stops = sorted({*ends, len(tokens)})
        return list(zip([0, *stops], stops, strict=False))


class Spot(NamedTuple):
    """A token that is fed, and from which position on the states are those of what is written."""

    blocks: Blocks
    position: int
    token: int
    last: int


@dataclass(eq=False)
class Change:
    """What is done to the output of one block in a pass; spots are numbered row by row."""

    again: list[int] = field(default_factory=list[int])
    added: dict[int, tuple[Tensor, list[int]]] = field(
        default_factory=dict[int, tuple[Tensor, list[int]]]
    )


def changes(spots: Sequence[Spot | None]) -> Mapping[int, Change]:
    """What a pass over these tokens is to change, by block."""
    found = defaultdict[int, Change](Change)
    for i, spot in enumerate(spots):
        if spot is None:
            continue
        for block, ids in spot.blocks.recycled.items():
            if spot.token in ids:
                found[block].again.append(i)
        for vector in spot.blocks.vectors:
            if _steers(vector.steered, spot):
                added = found[vector.block].added
                added.setdefault(id(vector.values), (vector.values, []))[1].append(i)
    return found


def _steers(steered: Steered, spot: Spot) -> bool:
    if steered.spans is None or (steered.written and spot.position >= spot.last):
        return True
    return any(start <= spot.position < stop for start, stop in steered.spans)


@contextmanager
def changed(model: Any, by_block: Mapping[int, Change], prefill: Cache | None) -> Generator[None]:
    """Change what blocks give in the pass that is made inside.

    A block that runs again is given its own output where it is to, and elsewhere once more what it
    was given, so that it writes the same keys and values. Vectors are added to what comes of it.
    `prefill` is the cache of a prefix: what the pass has added to it gives way to the second time.
    """
    blocks = blocks_of(model)
    with ExitStack() as hooks:
        for number, change in by_block.items():
            hook = _hook(number, change, prefill)
            handle = blocks[number].register_forward_hook(hook, with_kwargs=True)
            hooks.callback(handle.remove)
        yield


def _hook(block: int, change: Change, prefill: Cache | None) -> Any:
    def hook(module: Any, given: Any, options: Any, output: Any) -> Any:
        if change.again:
            again = given[0].clone(memory_format=torch.contiguous_format)
            at = torch.tensor(change.again, device=again.device)
            again.flatten(0, 1)[at] = _hidden(output).flatten(0, 1)[at]
            if prefill is not None:
                _rewind(prefill.layers[block], again.shape[1])
            output = module.forward(again, *given[1:], **options)
        if not change.added:
            return output
        moved = _hidden(output).clone(memory_format=torch.contiguous_format)
        for vector, spots in change.added.values():
            moved.flatten(0, 1)[torch.tensor(spots, device=moved.device)] += vector
        return (moved, *output[1:]) if isinstance(output, tuple) else moved  # pyright: ignore[reportUnknownVariableType]

    return hook


def _hidden(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


def _rewind(layer: object, tokens: int) -> None:
    """Forget the newest keys and values."""
    if not isinstance(layer, DynamicLayer):
        raise UserError("engine=hf: this model has layers without a key-value cache")
    assert layer.keys is not None
    assert layer.values is not None
    layer.keys, layer.values = layer.keys[..., :-tokens, :], layer.values[..., :-tokens, :]
