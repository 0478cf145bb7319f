"""When a rollout is complete."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.core import Until
from harness.text.answers import extract
from harness.text.segmentation import Segmenter, first_sentence

WORD = f" {'x' * 99}"  # would begin a sentence of any length that a rule may ask for


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
        return until == "sentence" and first_sentence(self.text(tokens), self.segmenter) is not None

    @cached_property
    def closing(self) -> frozenset[int]:
        """Tokens with a closing brace: only they can complete a boxed answer."""
        vocab = self.tokenizer.get_vocab()
        return frozenset(i for token, i in vocab.items() if "}" in token)

    def text(self, tokens: Sequence[int]) -> str:
        """What some tokens say, special ones left out."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True))

    def _answered(self, tokens: Sequence[int]) -> bool:
        return extract(self.text(tokens), "") is not None


@dataclass(eq=False)
class Sentences:
    """Where the sentences of a growing text may begin, by the rule that will cut it.

    Whether one ends is only certain once the next stands, so it is asked what a word would do.
    """

    stops: Stops
    begun: int = 0  # tokens before the last two sentences that are certain

    def may_begin(self, tokens: Sequence[int]) -> bool:
        """Whether a sentence may begin behind these tokens, the first of which began one."""
        if not tokens:
            return True
        now = tokens[self.begun :]
        text = self.stops.text(now)
        spans = self.stops.segmenter(text + WORD)
        if len(spans) > 2:
            # So far the cut is certain, and what follows is cut alike without it.
            chars = spans[0][1]
            self.begun += bisect_left(
                range(len(now)), chars, key=lambda n: len(self.stops.text(now[:n]))
            )
        return spans[-1][0] >= len(text)
