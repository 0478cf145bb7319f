"""Memory and work: what a model holds, reads and computes a token, from its configuration alone."""

from dataclasses import dataclass
from typing import Any

from harness.models.model import Subject

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")  # where configs count them


@dataclass(frozen=True)
class Memory:
    """Bytes of the weights, and of the cached keys and values of a token.

    A token takes `flops` operations, and `attending` more for each token that it attends to: two a
    multiplication and addition, the input embedding aside.
    """

    weights: int
    cache: int
    flops: int
    attending: int


def memory(subject: Subject) -> Memory:
    """What a subject takes in its dtype; builds the model without any weights."""
    import torch  # takes seconds: not before a command line is known to be right
    from transformers import AutoModelForCausalLM

    from harness.models.architectures.layers import value

    size, config = BYTES[subject.conf.dtype], subject.config
    trust = subject.conf.trust_remote_code
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=trust)
    text = config.get_text_config()
    heads = value(text, "num_key_value_heads") or text.num_attention_heads
    width = value(text, "head_dim") or text.hidden_size // text.num_attention_heads
    return Memory(
        weights=size * sum(p.numel() for p in model.parameters()),
        cache=2 * text.num_hidden_layers * heads * width * size,
        flops=2 * _active(model, text),
        attending=4 * text.num_hidden_layers * text.num_attention_heads * width,
    )


def _active(model: Any, text: Any) -> int:
    """Parameters that a token is multiplied with: all but an embedding, of experts a few."""
    total = sum(p.numel() for p in model.parameters())
    inputs, head = model.get_input_embeddings().weight, model.get_output_embeddings()
    if head is None or head.weight is not inputs:
        total -= inputs.numel()
    experts = next((n for key in EXPERTS if (n := getattr(text, key, None))), None)
    if experts:
        held = sum(p.numel() for name, p in model.named_parameters() if ".experts." in name)
        total -= round(held * (1 - text.num_experts_per_tok / experts))
    return total
