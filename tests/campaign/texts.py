"""Fuzzed texts that must tile into sentences, whatever the tokenizer makes of them."""

import random
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer

from harness.core import UserError
from harness.models.model import Subject
from harness.models.weights import located
from harness.text.segmentation import Segmentation, reasoning_span, sentences
from tests.benchmarks.smollm2 import WHEEL

GOOD = "tile"
ORGANISM = "wheel://harness/organism/checkpoints/base"
PIECES = (
    *"ab .?!\n\r\t\u2028\u00a0é🙂\ufffd<>$\\\x00\u0301\u202e\u200d汉א", "\r\n\r\n",
    "\n\n", ". ", "? ", "</think>", "<think>", "<|im_end|>", "<|end|>", "so I will add",
    " the answer is",
    "\\boxed{7}",
)  # fmt: skip
MOST = 24  # pieces of a text
SPLIT = Segmentation("default", 10).segmenter
TAGS = ("<think>", "</think>")


def byte_level() -> Tokenizer:
    """A token a byte, as the smallest byte-level tokenizer has it."""
    vocab = {byte: i for i, byte in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    made = Tokenizer(models.BPE(vocab, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    return made


@cache
def tokenizers() -> dict[str, Tokenizer]:
    """The organism's, SmolLM2's where its wheel is installed, and a token a byte."""
    found = {"organism": _of(ORGANISM), "bytes": byte_level()}
    try:
        return found | {"smollm2": _of(WHEEL)}
    except UserError:
        return found


def _of(path: str) -> Tokenizer:
    """What lies beneath a tokenizer of transformers, which adds no clean-up of its own."""
    whole: Any = AutoTokenizer.from_pretrained(located(path))
    plain, text = whole.backend_tokenizer, "So I , will 'add . 7 ?\n\n</think> é🙂 n't"
    ids = plain.encode(text, add_special_tokens=False).ids
    assert whole.encode(text, add_special_tokens=False) == ids
    assert whole.decode(ids, skip_special_tokens=True) == plain.decode(ids)
    return plain


def fuzzed(tokenizer: Tokenizer, text: str, rng: random.Random) -> list[int]:
    """Tokens of a text, or, every other time, tokens at random, as models may write them."""
    if rng.random() < 0.5:
        return rng.choices(range(tokenizer.get_vocab_size()), k=rng.randrange(MOST))
    return tokenizer.encode(text, add_special_tokens=False).ids


def outcome(tokenizer: Tokenizer, ids: list[int]) -> str:
    """Whether spans tile the text, sentences the tokens, and their texts what is cut."""
    text = tokenizer.decode(ids)
    starts = Subject.starts(SimpleNamespace(decode=tokenizer.decode), ids)
    for span in ((0, len(text)), reasoning_span(text, *TAGS)):
        spans = SPLIT(text[span[0] : span[1]])
        tiled = "".join(text[span[0] : span[1]][a:b] for a, b in spans)
        cut = sentences(text, starts, span, SPLIT)
        inside = [i for i, start in enumerate(starts) if span[0] <= start < span[1]]
        covered = [i for s in cut for i in range(s.start, s.stop)]
        ends = [*starts, len(text)]
        whole = text[ends[inside[0]] : ends[inside[-1] + 1]] if inside else ""
        if tiled != text[span[0] : span[1]] or covered != inside:
            return f"does not tile: {ids}"
        apart = any(a.stop != b.start for a, b in pairwise(cut))
        if apart or "".join(s.text for s in cut) != whole:
            return f"other text: {ids}"
    return GOOD


def campaign(n: int, seed: int) -> Iterator[str]:
    """The outcome of n random texts, each under all tokenizers: GOOD, or what is wrong first."""
    rng, every = random.Random(seed), tokenizers()
    for _ in range(n):
        text = "".join(rng.choices(PIECES, k=rng.randrange(MOST)))
        found = {name: outcome(each, fuzzed(each, text, rng)) for name, each in every.items()}
        yield next((f"{name}: {said}" for name, said in found.items() if said != GOOD), GOOD)
