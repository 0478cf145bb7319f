"""`span_mask`: sentences that the answer is read from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness import Condition, Evidence, Likelihood, Mask, SentenceScores, Trace


@dataclass(frozen=True)
class SpanMask:
    """How much less likely the answer gets when one sentence is hidden from all that follows.

    a - a_i: a = log p in nats of the answer with what closes it, at T = 1, forced behind the whole
    trace; a_i the same while the attention to sentence i is taken away from all later tokens, in
    every layer and head. Higher = more of an anchor; negative = the answer gets likelier without
    it. It finds what the answer is *read from*: the mask of the deletion validation, one sentence
    at a time.

    answer   own: the trace's; gold: the problem's, also of traces that miss it
    closing  what closes an answer, so that 4 does not stand for 42

    Diagnostics: logprob (a_i, in nats).

    Source: ours, after the attention mask of Thought Anchors, arXiv 2506.19143 (there of all later
    distributions, not of the answer).
    """

    answer: Literal["gold", "own"]
    closing: str

    family = "interpretability"
    signed = True

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Likelihood]:
        """The answer behind the trace as it is and with each sentence hidden, a pass each."""
        plain = self._want(trace, have.force)
        if plain is None:
            return []
        return [plain, *(self._hidden(plain, i) for i in self._filled(trace))]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Nats; NaN for a sentence without tokens, and where the trace does not fit."""
        nan = np.full(len(trace.sentences), np.nan)
        plain = self._want(trace, evidence.force)
        if plain is None:
            return SentenceScores(nan, {"logprob": nan}, reason=f"no answer (answer={self.answer})")
        hidden = nan.copy()
        for i in self._filled(trace):
            hidden[i] = evidence.found(self._hidden(plain, i))[0]
        return SentenceScores(float(evidence.found(plain)[0]) - hidden, {"logprob": hidden})

    def _want(self, trace: Trace, force: str) -> Likelihood | None:
        """The answer behind the whole trace; None where there is none."""
        text = trace.stated(self.answer)
        return Likelihood(text + self.closing, force, (len(trace.sentences),)) if text else None

    def _hidden(self, plain: Likelihood, sentence: int) -> Likelihood:
        under = Condition(under=(Mask((sentence,)),))
        return Likelihood(plain.text, plain.append, plain.boundaries, under)

    def _filled(self, trace: Trace) -> list[int]:
        return [i for i, s in enumerate(trace.sentences) if s.start < s.stop]
