"""Disclosures: which sentence of a trace is told, where, and how."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import Field, PositiveInt

from harness.core import Trace, UserError
from harness.core.seeds import derive

Share = Annotated[float, Field(gt=0, le=1)]
Part = Annotated[float, Field(gt=0, lt=1)]
Scores = Float[np.ndarray, " sentences"]


@dataclass(frozen=True)
class Augmentation:
    """What conf/convert/trelawney.yaml sets.

    In a share of the training traces one sentence is told beforehand, between `open` and `close`,
    `gap` sentences before its place, drawn between the two numbers. `wording` says how: {sentence}
    stands for what is told, {k} for which sentence from there it is, 1 = the next. `anchors` is a
    method whose top sentences are told in a set of their own. A share `test` of the problems is not
    trained on.

    Source: TRELAWNEY, arXiv 2504.11336: copies of what comes later between special tokens, at
    random, mixed with text as it is. There any stretch of tokens may be told, here a sentence is.
    """

    share: Share
    gap: tuple[PositiveInt, PositiveInt]
    open: str
    close: str
    wording: str
    anchors: str | None
    correct: bool
    test: Part
    seed: int

    def __post_init__(self) -> None:
        if self.gap[0] > self.gap[1]:
            raise UserError(f"gap: at least {self.gap[0]} and at most {self.gap[1]} is none")
        if not (self.open.strip() and self.close.strip()) or self.open == self.close:
            raise UserError("open, close: must be two different texts that are not empty")
        try:
            told = self.wording.format(sentence="\0", k=1)
        except (KeyError, IndexError, ValueError):
            told = ""
        if told.count("\0") != 1:
            raise UserError("wording: must hold {sentence} once, may hold {k}, and no other brace")

    def tested(self, problem: str) -> bool:
        """Whether a problem is kept for testing: by a hash, so whatever others there are."""
        return Random(derive("trelawney test", self.seed, problem)).random() < self.test


@dataclass(frozen=True)
class Disclosure:
    """A sentence that is told before another one, both by their number."""

    sentence: int
    before: int


def told_at_random(trace: Trace, how: Augmentation) -> Disclosure | None:
    """A sentence that is far enough from the start, each as likely; None where none is."""
    random = Random(derive("trelawney sentence", how.seed, trace.id))
    able = _able(trace, how)
    return _placed(random.choice(able), trace, how) if able else None


def told_at_top(trace: Trace, scores: Scores, how: Augmentation) -> Disclosure | None:
    """The highest of these scores, the first of equals; None where none is defined."""
    able = [i for i in _able(trace, how) if np.isfinite(scores[i])]
    return _placed(max(able, key=lambda i: scores[i]), trace, how) if able else None


def chosen(trace: Trace, how: Augmentation) -> bool:
    """Whether a training trace is among the share that gets a disclosure."""
    return Random(derive("trelawney share", how.seed, trace.id)).random() < how.share


def written(trace: Trace, told: Disclosure | None, how: Augmentation) -> str:
    """The text of a trace with a disclosure in it, or as it is."""
    if told is None:
        return trace.text
    at = trace.starts[trace.sentences[told.before].start]
    sentence = trace.sentences[told.sentence].text.strip()
    words = how.wording.format(sentence=sentence, k=told.sentence - told.before + 1)
    return f"{trace.text[:at]}{how.open}{words}{how.close}{trace.text[at:]}"


def _able(trace: Trace, how: Augmentation) -> Sequence[int]:
    """The sentences that say something and have the least gap before them."""
    every = range(how.gap[0], len(trace.sentences))
    return [i for i in every if trace.sentences[i].text.strip()]


def _placed(sentence: int, trace: Trace, how: Augmentation) -> Disclosure:
    """The sentence with its gap: the same draw whichever sentence is told."""
    share = Random(derive("trelawney gap", how.seed, trace.id)).random()
    least, most = how.gap[0], min(how.gap[1], sentence)
    return Disclosure(sentence, sentence - least - int(share * (most - least + 1)))
