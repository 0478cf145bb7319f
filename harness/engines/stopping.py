"""When a rollout is complete."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.core import Until
from harness.text.answers import extract
from harness.text.segmentation import Segmenter, first_sentence


@dataclass(frozen=True)
class Stops:
    """The stop conditions of one tokenizer: end of sequence, the answer, the first sentence."""

    tokenizer: Any  # of transformers, whose import takes seconds
    eos: frozenset[int]
    segmenter: Segmenter

    def reached(self, until: Until, extra: Sequence[int], tokens: Sequence[int]) -> bool:
        """Whether the newest of `tokens`, which follow `extra`, completes what `until` names."""
        if until == "answer":
            return tokens[-1] in self.closing and self._answered([*extra, *tokens])
        return (
            until == "sentence" and first_sentence(self._text(tokens), self.segmenter) is not None
        )

    @cached_property
    def closing(self) -> frozenset[int]:
        """Tokens with a closing brace: only they can complete a boxed answer."""
        vocab = self.tokenizer.get_vocab()
        return frozenset(i for token, i in vocab.items() if "}" in token)

    def _answered(self, tokens: Sequence[int]) -> bool:
        return extract(self._text(tokens), "") is not None

    def _text(self, tokens: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True))
