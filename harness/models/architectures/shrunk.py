"""A tiny random model of a config: every kind of layer it has, small and few, no weights read."""

from copy import deepcopy
from math import sqrt
from typing import Any

import torch

from harness.models.architectures.layers import kinds, value

VOCABULARY = 96
WINDOW = 6  # tokens of a sliding window or chunk, shorter than the texts that are tried
HEADS, LAYERS = 4, 8  # at most
# The names under which configs state sizes, by the most that each may be; a config has few of them.
SIZES = {
    64: (
        "intermediate_size", "ffn_dim", "n_inner", "moe_intermediate_size", "intermediate_size_mlp",
        "shared_expert_intermediate_size", "shared_intermediate_size", "ffn_hidden_size",
        "moe_shared_expert_intermediate_size", "lru_width", "block_multiple_of", "q_lora_rank",
        "kv_lora_rank", "hidden_size_per_layer_input", "laurel_rank", "adapter_rank",
    ),
    16: ("mamba_d_state", "ssm_state_size", "linear_key_head_dim", "linear_value_head_dim"),
    8: ("mamba_chunk_size", "chunk_size", "block_size"),
    WINDOW: ("sliding_window", "attention_chunk_size", "attention_window_size", "window_size"),
    4: (
        "num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts",
        "linear_num_value_heads",
    ),
    2: (
        "num_experts_per_tok", "moe_topk", "moe_k", "n_group", "top_k_experts",
        "linear_num_key_heads", "num_kv_shared_layers",
    ),
    1: (
        "topk_group", "first_k_dense_replace", "mamba_n_groups", "mamba_ngroups", "n_groups",
        "num_mem_blocks",
    ),
}  # fmt: skip
UNTOUCHED = ("A_log", "dt_bias", "dt_proj", "conv", "slope", "inv_freq")


def shrunk(config: Any, seed: int = 0) -> Any:
    """A float32 model of the config's kind on the processor, its weights drawn from `seed`.

    Layer types, windows, soft caps, rotary tables, sinks and experts are the config's own; widths,
    vocabulary and the number of layers of each kind are small.
    """
    from transformers import AutoModelForCausalLM, logging

    logging.set_verbosity_error()
    text = small(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(text, dtype=torch.float32)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                _draw(name, parameter)
    return model.eval()


def small(config: Any) -> Any:
    """The text config of a config with few layers, narrow and with few words."""
    text = deepcopy(config.get_text_config())
    if hasattr(text, "quantization_config"):
        del text.quantization_config
    _fewer_layers(text)
    _narrower(text)
    for name in ("vocab_size", "vocab_size_per_layer_input"):
        if value(text, name) is not None:
            setattr(text, name, VOCABULARY)
    for most, names in SIZES.items():
        for name in names:
            size = value(text, name)
            if isinstance(size, list):
                setattr(text, name, [min(each, most) for each in size])
            elif size is not None:
                setattr(text, name, min(size, most))
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        setattr(text, name, None)
    text.tie_word_embeddings = False  # tied random ones are sure of the token they just read
    _mamba(text)
    return text


def _fewer_layers(text: Any) -> None:
    """Two layers of each kind, in their order."""
    most = text.num_hidden_layers
    lists = {n: v for n, v in vars(text).items() if isinstance(v, list) and len(v) == most > 1}
    rows = [*zip(*lists.values(), strict=True)] if lists else [()] * most
    kept, seen = list[int](), list[Any]()
    for layer, row in enumerate(rows):
        if seen.count(row) < 2 and len(kept) < LAYERS:
            kept.append(layer)
            seen.append(row)
    named = kinds(text)
    if not lists:  # a rule says which layer is which: all up to the first of the last kind
        kept = list(range(min(most, max(2, *(named.index(kind) + 1 for kind in named)))))
    for name, values in lists.items():
        setattr(text, name, [values[layer] for layer in kept])
    names = sorted(text.per_layer_attributes or ())
    own = [{name: getattr(layer, name) for name in names} for layer in text.per_layer_config]
    if names:
        text.per_layer_config = None
    text.num_hidden_layers = len(kept)
    if names:
        text.per_layer_config = {new: own[old] for new, old in enumerate(kept)}
    if hasattr(text, "hybrid_layer_ids"):
        text.hybrid_layer_ids = [n for n, kind in enumerate(kinds(text)) if kind == "hybrid"]


def _narrower(text: Any) -> None:
    """Few heads as wide as they are, as many a group as they were where that fits."""
    heads = text.num_attention_heads
    groups = value(text, "num_key_value_heads") or heads
    latent = value(text, "qk_nope_head_dim") is not None
    wide = (None if latent else value(text, "head_dim")) or text.hidden_size // heads
    text.num_attention_heads = HEADS
    if value(text, "num_key_value_heads") is not None:
        text.num_key_value_heads = max(1, HEADS * groups // heads)
    if hasattr(text, "attention_hidden_size"):
        text.attention_hidden_size = HEADS * wide * text.attention_hidden_size // text.hidden_size
        text.attention_head_dim = text.attention_hidden_size // HEADS
    text.hidden_size = HEADS * wide


def _mamba(text: Any) -> None:
    """State-space layers as wide as their inputs, in four heads."""
    expand = getattr(text, "mamba_expand", None) or getattr(text, "expand", None)
    if expand is None:
        return
    inner = expand * text.hidden_size
    sizes = {
        inner: ("mamba_d_ssm",),
        inner // HEADS: ("mamba_d_head", "mamba_head_dim", "mamba_headdim"),
        HEADS: ("mamba_n_heads", "mamba_num_heads", "n_mamba_heads"),
    }
    for size, names in sizes.items():
        for name in names:
            if value(text, name) is not None:
                setattr(text, name, size)


def _draw(name: str, parameter: torch.nn.Parameter) -> None:
    """Weights large enough for attention to have its preferences."""
    if any(part in name for part in UNTOUCHED):
        return
    if parameter.dim() >= 2:
        parameter.normal_(0, 1.5 / sqrt(parameter.shape[-1]))
    elif "sink" in name or name.endswith("bias"):
        parameter.normal_(0, 0.5)
