"""A tiny real model for the tests: random weights, a word-level tokenizer, a chat template."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

WORDS = [
    *[" we", " add", " the", " apples", " and", " pears", " so", " first", " then", " total"],
    *[" is", " three", " seven"],
    *(f" \\boxed{{{n}}}" for n in range(4)),
    ".",
    "?",
    "\n\n",
]
SHAPE = {
    "vocab_size": len(WORDS) + 3,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "initializer_range": 0.3,
}
ARCHITECTURES = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE)),
    "qwen2": lambda: Qwen2ForCausalLM(
        Qwen2Config(**SHAPE, use_sliding_window=True, sliding_window=5, max_window_layers=2)
    ),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SHAPE)),
    "gemma3": lambda: Gemma3ForCausalLM(
        Gemma3TextConfig(
            **SHAPE,
            sliding_window=6,
            layer_types=["sliding_attention", "full_attention"] * 2,
            query_pre_attn_scalar=8,
        )
    ),
}


def tokenizer() -> PreTrainedTokenizerFast:
    vocab = {w: i for i, w in enumerate(["<unk>", "<s>", "</s>", *WORDS])}
    words = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    pieces = Regex(r" \\boxed\{\d\}|\n\n| ?\w+|[.?]")
    words.pre_tokenizer = pre_tokenizers.Split(pieces, "isolated")
    words.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    fast.chat_template = "{% for m in messages %}{{ ' ' + m['content'] }}{% endfor %}."
    return fast


def random_model(name: str) -> torch.nn.Module:
    torch.manual_seed(1)
    return ARCHITECTURES[name]().float().eval()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first: workers that take a file at a time end together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def root_logger_as_found() -> Iterator[None]:
    """Hydra in this process logs to what stood for stdout in the test that started it."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    for handler in [h for h in root.handlers if type(h) is logging.StreamHandler]:
        root.removeHandler(handler)


@pytest.fixture(scope="session", params=list(ARCHITECTURES))
def any_model(request: pytest.FixtureRequest) -> torch.nn.Module:
    return random_model(request.param)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random Llama whose traces have several sentences and boxed answers."""
    folder = tmp_path_factory.mktemp("tiny")
    model = random_model("llama")
    model.lm_head.weight.data[2] = 0  # the end of sequence never likely: traces of some length
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    assert AutoModelForCausalLM.from_pretrained(folder) is not None
    return folder


@pytest.fixture(scope="session")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight problems as JSON lines, with solutions."""
    path = tmp_path_factory.mktemp("problems") / "questions.jsonl"
    rows = [
        {
            "id": f"q{i}",
            "question": f"we add the apples and {'pears ' * (i + 1)}total is",
            "answer": str(i % 4),
            "solution": f"we add the apples. {'so ' * i}total is {i % 4}.",
        }
        for i in range(8)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
