"""Hooks on the blocks of a model: what they give is taken down, or moved by a vector."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from harness.core import UserError
from harness.models.architectures.layers import blocks_of
from harness.models.conditions import check_layer, check_width


@dataclass(frozen=True, eq=False)
class Addition:
    """A vector added to the output of block `layer` where `at` is true in a pass; None = all."""

    layer: int
    vector: Sequence[float]
    at: Bool[Tensor, "rows tokens"] | None


@contextmanager
def steering(model: Any, additions: Sequence[Addition]) -> Generator[None]:
    """Add vectors to the outputs of blocks in every pass made inside; their shape is `at`'s.

    Raises UserError for a block that the model does not have and a vector of another width.
    """
    moves = [(block(model, added.layer), _adding(model, added)) for added in additions]
    with hooked(moves):
        yield


@contextmanager
def hooked(hooks: Sequence[tuple[Any, Any]]) -> Generator[None]:
    """Forward hooks, each on its module, in this order, until the block is left."""
    handles = [module.register_forward_hook(hook) for module, hook in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _adding(model: Any, addition: Addition) -> Any:
    check_width(addition.vector, model.config)
    vector = torch.tensor(addition.vector, dtype=model.dtype, device=model.device)

    def hook(_module: Any, _inputs: Any, output: Any) -> Any:
        hidden: Tensor = output[0] if isinstance(output, tuple) else output
        if addition.at is None:
            moved = hidden + vector
        else:
            moved = hidden.clone()
            moved[addition.at] += vector
        return (moved, *output[1:]) if isinstance(output, tuple) else moved  # pyright: ignore[reportUnknownVariableType]

    return hook


def block(model: Any, layer: int) -> Any:
    """A block of a model, -1 being its last; raises UserError for one that it does not have."""
    blocks = blocks_of(model)
    check_layer(layer, len(blocks))
    return blocks[layer]


@contextmanager
def captured(model: Any, layers: Sequence[int]) -> Generator[dict[int, Tensor]]:
    """The outputs of some blocks during a pass, by the number they were asked for under."""
    found: dict[int, Tensor] = {}

    def keep(layer: int) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            state: Tensor = output[0] if isinstance(output, tuple) else output
            if state.dim() != 3:
                raise UserError("model: its blocks give several states a token; none can be read")
            found[layer] = state

        return hook

    with hooked([(block(model, layer), keep(layer)) for layer in layers]):
        yield found
