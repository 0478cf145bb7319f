"""Whether a model fits the GPUs there are, checked before minutes are spent on loading it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from harness.core import UserError
from harness.models.model import Subject

if TYPE_CHECKING:
    from harness.engines.vllm import VLLM

GIB = 2**30
WORKING = 1.5 * GIB  # of each GPU, for activations, CUDA graphs and the context
LEAST = 2048  # tokens of keys and values under which nothing useful can be sampled


@dataclass(frozen=True)
class GPU:
    """A GPU by the name that CUDA_VISIBLE_DEVICES has for it, and its memory in bytes."""

    name: str
    memory: int


def gpus() -> list[GPU]:
    """The GPUs that this process may use."""
    shown = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = shown.split(",") if shown else map(str, range(torch.cuda.device_count()))
    return [
        GPU(name, torch.cuda.get_device_properties(i).total_memory)
        for i, name in zip(range(torch.cuda.device_count()), names, strict=False)
    ]


def check_fits(conf: "VLLM", subject: Subject, devices: Sequence[GPU]) -> None:
    """Raise UserError if the weights leave too little room; it says what would fit."""
    wanted = conf.tensor_parallel * conf.data_parallel
    if wanted > len(devices):
        raise UserError(
            f"engine: tensor_parallel={conf.tensor_parallel} times data_parallel="
            f"{conf.data_parallel} are {wanted} GPUs, and torch sees {len(devices)}"
        )
    if conf.quantization:
        return  # what the weights then take is vLLM's to know
    memory = min(gpu.memory for gpu in devices[:wanted])
    weights = weight_bytes(subject)
    each = token_bytes(subject.config) // (
        2 if (conf.kv_cache_dtype or "").startswith("fp8") else 1
    )
    room = tokens(memory * conf.memory, weights, conf.tensor_parallel, each)
    needed = conf.max_length or min(LEAST, subject.context)
    if room >= needed:
        return
    raise UserError(
        f"engine=vllm: {subject.conf.path} takes {weights / GIB:.1f} GiB, which leaves "
        f"{conf.tensor_parallel} GPU of {memory / GIB:.1f} GiB room for {max(room, 0)} tokens of "
        f"{needed}; try engine.quantization=fp8, engine.kv_cache_dtype=fp8, engine.tensor_parallel="
        f"{2 * conf.tensor_parallel}, engine.memory above {conf.memory} or a smaller model"
    )


def tokens(memory: float, weights: int, split: int, token: int) -> int:
    """Tokens whose keys and values fit into `split` GPUs beside the weights, sizes in bytes."""
    return int((memory * split - weights - WORKING * split) // token)


def weight_bytes(subject: Subject) -> int:
    """What the weights take in the subject's dtype, counted without loading them."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(
            subject.config, trust_remote_code=subject.conf.trust_remote_code
        )
    return model.num_parameters() * getattr(torch, subject.conf.dtype).itemsize


def token_bytes(config: Any) -> int:
    """What the keys and values of one token take in 16 bits, all layers together."""
    text = config.get_text_config()
    heads = text.num_attention_heads
    groups = getattr(text, "num_key_value_heads", None) or heads
    width = getattr(text, "head_dim", None) or text.hidden_size // heads
    return int(2 * text.num_hidden_layers * groups * width * 2)
