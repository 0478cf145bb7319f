"""The organism's network: a Llama of four layers, stored in bfloat16 and computed in float32."""

from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from harness.organism.grammar import END, PAD, vocabulary
from harness.organism.tokens import ids, tokenizer

CONTEXT = 1024


def config() -> LlamaConfig:
    """Four layers of width 128 with four heads of 32."""
    return LlamaConfig(
        vocab_size=len(vocabulary()),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=ids()[END],
        pad_token_id=ids()[PAD],
    )


def untrained(seed: int) -> Any:
    """An untrained network."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(config())


def rounded(model: Any) -> Any:
    """The network as its stored form computes: weights rounded to bfloat16, kept in float32."""
    return model.to(torch.bfloat16).float().eval()


def save(model: Any, folder: Path) -> None:
    """Write a checkpoint with its tokenizer, weights in bfloat16; the network itself is rounded."""
    rounded(model)
    folder.mkdir(parents=True, exist_ok=True)
    logging.disable_progress_bar()
    model.to(torch.bfloat16).save_pretrained(folder)
    model.float()
    (folder / "model.safetensors").chmod(0o644)
    tokenizer().save_pretrained(folder)


def load(folder: Path) -> Any:
    """A checkpoint, computed in float32."""
    logging.disable_progress_bar()
    return LlamaForCausalLM.from_pretrained(folder, dtype="float32").eval()
