"""The layers of a model: of which kinds they are, where they stand, what they keep of a text."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.cache_utils import (
    DynamicCache,
    DynamicLayer,
    DynamicSlidingWindowLayer,
    get_layer_types_and_kwargs,
)

from harness.core import UserError

LISTS = ("layer_types", "layers_block_type", "block_types")  # where configs name the kinds
PARALLEL = ("mamba_d_ssm",)  # of a config whose every layer holds a state space beside attention
KINDS = {"full_attention", "sliding_attention"}  # of layers whose keys can be cached and hidden
WITHOUT = ("linear_attention", "mamba", "recurrent", "conv", "moe", "mlp", "linear")


def value(config: Any, name: str) -> Any:
    """What a text config says, for all layers where a few of them differ; None if it is silent."""
    return config._getattr_without_heterogeneous_validation(name, None)


def kinds(config: Any) -> list[str]:
    """The kind of each layer, in the words of transformers."""
    text = config.get_text_config()
    for name in LISTS:
        named: list[str] | None = getattr(text, name, None)
        if named and len(named) == text.num_hidden_layers:
            return ["full_attention" if kind == "attention" else kind for kind in named]
    if any(getattr(text, name, None) is not None for name in PARALLEL):
        return ["hybrid"] * text.num_hidden_layers
    return list(get_layer_types_and_kwargs(text)[0])


def uncached(config: Any) -> str | None:
    """Why a model's cache does not hold a key and a value of each token in each layer."""
    other, text = set(kinds(config)) - KINDS, config.get_text_config()
    if other:
        return f"it has {min(other)} layers"
    if value(text, "kv_lora_rank"):
        return "its cache holds latents for keys and values"
    return (
        "its last layers have no keys and values" if value(text, "num_kv_shared_layers") else None
    )


def attending_layers(config: Any) -> frozenset[int]:
    """The layers that have attention to every token, or to those in a window."""
    return frozenset(n for n, kind in enumerate(kinds(config)) if kind not in WITHOUT)


def decoder(model: Any) -> Any:
    """The part of a model that gives final hidden states: all but its head."""
    found = model.get_decoder()
    return found.model if hasattr(found, "lm_head") else found


def blocks_of(model: Any) -> nn.ModuleList:
    """The blocks of a model, the first of which reads the embeddings."""
    layers = model.config.get_text_config().num_hidden_layers
    lists = [
        m for m in decoder(model).modules() if isinstance(m, nn.ModuleList) and len(m) == layers
    ]
    return lists[0]


def number(module: Any) -> int:
    """The layer that an attention module stands in."""
    return int(module.layer_idx)


def empty_cache(config: Any) -> DynamicCache:
    """A cache of each layer's own kind, in which windows forget nothing.

    What continues a text, or hides a part of it, must find every key at its token's position.
    """
    cache = DynamicCache(config=config)
    cache.layers = [
        DynamicLayer() if type(layer) is DynamicSlidingWindowLayer else layer
        for layer in cache.layers
    ]
    return cache


def capped(scores: Tensor, cap: float | None) -> Tensor:
    """Attention scores under a soft cap, if there is one."""
    return scores if cap is None else torch.tanh(scores / cap) * cap


def softmax(
    scores: Float[Tensor, "rows groups share queries keys"], sinks: Float[Tensor, " heads"] | None
) -> Float[Tensor, "rows groups share queries keys"]:
    """Attention weights; a sink is a key of each head that takes its share and gives nothing."""
    dtype, keys = scores.dtype, scores.shape[-1]
    if sinks is not None:
        sink = sinks.view(1, *scores.shape[1:3], 1, 1).expand(*scores.shape[:4], 1)
        scores = torch.cat([scores, sink.to(dtype)], dim=-1)
    return torch.softmax(scores, dim=-1, dtype=torch.float32)[..., :keys].to(dtype)


def handed(name: str, given: Mapping[str, Any]) -> Any:
    """What a pass hands to its attention functions; raises UserError for a model that loses it."""
    if name not in given:
        raise UserError("model: it hands nothing on to its attention")
    return given[name]
