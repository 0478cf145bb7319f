"""The organism's tokenizer: one token a word, and every text of the program comes back exactly."""

import re
from functools import lru_cache

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from harness.organism.grammar import ASSISTANT, END, OPEN, PAD, SPECIAL, USER, vocabulary

TEMPLATE = (
    "{% for m in messages %}"
    f"{{{{ {{'user': '{USER}', 'assistant': '{ASSISTANT}'}}[m['role']] + m['content'] }}}}"
    "{% endfor %}"
    f"{{% if add_generation_prompt %}}{ASSISTANT}{OPEN}{{% endif %}}"
)


@lru_cache(maxsize=1)
def ids() -> dict[str, int]:
    """The id of every token."""
    return {token: i for i, token in enumerate(vocabulary())}


def tokenizer() -> PreTrainedTokenizerFast:
    """A word-level tokenizer with the chat template; unknown words become the padding token."""
    longest = sorted(vocabulary()[len(SPECIAL) :], key=len, reverse=True)
    words = Tokenizer(models.WordLevel(ids(), unk_token=PAD))
    pieces = Regex("|".join(re.escape(token).replace("\n", r"\n") for token in longest))
    words.pre_tokenizer = pre_tokenizers.Split(pieces, "isolated")
    words.decoder = decoders.Fuse()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token=PAD,
        unk_token=PAD,
        eos_token=END,
        additional_special_tokens=[USER, ASSISTANT],
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = TEMPLATE
    return fast


def prompt(question: str) -> str:
    """The text before a trace, as the chat template writes it."""
    return f"{USER}{question}{ASSISTANT}{OPEN}"


def encode(words: str) -> list[int]:
    """The ids of a text, special tokens included."""
    return _shared().encode(words, add_special_tokens=False)


@lru_cache(maxsize=1)
def _shared() -> PreTrainedTokenizerFast:
    return tokenizer()
