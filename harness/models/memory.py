"""Memory: what a model's weights and its cache take, from its configuration alone."""

from dataclasses import dataclass

from harness.models.model import Subject

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Memory:
    """Bytes of the weights, and of the cached keys and values of a token."""

    weights: int
    cache: int


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
    cache = 2 * text.num_hidden_layers * heads * width * size
    return Memory(size * sum(p.numel() for p in model.parameters()), cache)
