"""Configs of many architectures, without a hub: those of transformers, where these say enough."""

from collections.abc import Mapping
from typing import Any

from harness.core import UserError
from harness.models.weights import loaded

LONG = {
    "short_factor": [1.0] * 48,
    "long_factor": [4.0] * 48,
    "original_max_position_embeddings": 4096,
}
# Whose own config is that of a model.
COMPLETE = (
    "llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3_moe", "gemma2", "gemma3_text",
    "gemma4_text", "gpt_oss", "phi", "phi3", "olmo2", "olmo3", "olmoe", "granite", "cohere",
    "cohere2", "smollm3", "exaone4", "glm4", "glm4_moe", "seed_oss", "ernie4_5", "starcoder2",
    "arcee", "apertus", "gpt_neox", "gpt2", "opt", "deepseek_v3", "minicpm3", "qwen3_next",
    "qwen3_5_text", "falcon_h1", "nemotron_h", "jamba", "zamba2", "minimax", "gemma3n_text",
    "llama4_text", "diffllama", "recurrent_gemma", "falcon", "mpt", "gptj", "codegen", "bloom",
    "stablelm",
)  # fmt: skip
# Others, with what their own config lacks.
EXAMPLES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    **{name: (name, {}) for name in COMPLETE},
    "hunyuan_v1_dense": ("hunyuan_v1_dense", {"head_dim": 128}),
    "nemotron": ("nemotron", {"num_key_value_heads": 8}),
    "deepseek_v2": ("deepseek_v2", {"num_experts_per_tok": 2, "n_group": 2, "topk_group": 1}),
    "bamba": ("bamba", {"attn_layer_indices": [2]}),
    "lfm2": ("lfm2", {"num_hidden_layers": 6, "layer_types": ["conv", "full_attention"] * 3}),
    "granitemoehybrid": (
        "granitemoehybrid",
        {"layer_types": ["linear_attention", "full_attention"] * 16},
    ),
    "qwen2 with windows": (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 4096, "max_window_layers": 16},
    ),
    "phi3 with longrope": (
        "phi3",
        {
            "max_position_embeddings": 131072,
            "rope_parameters": {"rope_type": "longrope", "rope_theta": 10000.0, **LONG},
        },
    ),
    "llama with dynamic NTK": (
        "llama",
        {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}},
    ),
}


def config_of(name: str) -> Any:
    """The config of an example, of a folder or of a hub id; raises UserError for nothing of it."""
    from transformers import AutoConfig

    if name in EXAMPLES:
        kind, given = EXAMPLES[name]
        return AutoConfig.for_model(kind, **given)
    try:
        return loaded("AutoConfig", name, {})
    except UserError as error:
        said = str(error).removeprefix("model.path: ")
        raise UserError(f"{name}: no such architecture here, and {said}") from None
