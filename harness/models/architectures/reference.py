"""The slow way beside which each path is tried: one eager pass over a whole text.

The eager attention of a model's own file is run, its weights taken down, and some keys hidden from
it. What any other path says of the same text must be what this one does.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from harness.core import UserError
from harness.models.architectures.layers import attending_layers, handed, number
from harness.models.conditions import Hidden

NAME = "harness_reference"


@dataclass(frozen=True, eq=False)
class Whole:
    """One text, passed whole: the logits behind each token, and the attention weights by layer."""

    logits: Float[Tensor, "tokens vocab"]
    states: Sequence[Float[Tensor, "tokens width"]]
    weights: dict[int, Float[Tensor, "heads tokens tokens"]] = field(
        default_factory=dict[int, Tensor]
    )


@torch.inference_mode()
def whole(model: Any, ids: Sequence[int], hidden: Sequence[Hidden] | None = None) -> Whole:
    """A text under the model's own eager attention, or with some keys `hidden` from queries.

    With `hidden`, were it nothing, the attention of every layer is looked into. Raises UserError
    where that of some layer does not pass by.
    """
    model.set_attn_implementation("eager" if hidden is None else NAME)
    weights: dict[int, Tensor] = {}
    extra = {} if hidden is None else {"reference": (tuple(hidden), weights)}
    tokens = torch.tensor([list(ids)], device=model.device)
    out = model(input_ids=tokens, use_cache=False, output_hidden_states=True, **extra)
    missing = len(attending_layers(model.config) - set(weights))
    if hidden is not None and missing:
        raise UserError(f"the attention of {missing} of its layers is out of reach")
    return Whole(out.logits[0].float(), [h[0] for h in out.hidden_states or ()], weights)


def attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor, **given: Any
) -> tuple[Tensor, Tensor]:
    """The eager attention of a model's own file, keys hidden and weights kept."""
    hidden, kept = handed("reference", given)
    mask = attention_mask.clone().expand(len(query), -1, -1, -1).contiguous()
    for low, high, begin in hidden:
        mask[..., begin:, low:high] = torch.finfo(mask.dtype).min
    own = torch.arange(mask.shape[-1])
    alone = (mask < 0).all(-1)  # nothing is left to see: such a query keeps itself
    mask[..., own, own] = torch.where(alone, 0.0, mask[..., own, own])
    eager: Callable[..., Any] = sys.modules[type(module).__module__].eager_attention_forward  # pyright: ignore[reportAttributeAccessIssue]
    out, weights = eager(module, query, key, value, mask, **given)
    kept[number(module)] = weights[0]
    return out, weights


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, eager_mask)
