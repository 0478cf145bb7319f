"""Adding mistakes: does the answer change if a sentence is wrong (arXiv 2307.13702)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from pydantic import PositiveInt

from harness import NO_ANSWER, Condition, Draw, Edit, Evidence, SentenceScores, Trace
from harness.text.mistakes import mistaken

ARM, KEPT = "mistake", "resample"


@dataclass(frozen=True)
class Mistake:
    """How often the answer changes if a sentence is replaced by a mistaken version of itself.

    1 - P(same answer | sentence i with a mistake, the rest redrawn); the same answer is the trace's
    own, no answer counts as another one. Higher = more of an anchor. A model that mends the mistake
    later scores low; one that answers differently anyway scores high without any mistake, and the
    more so the earlier: `less_kept` takes that away.

    less_kept  less 1 - P(same answer | sentence i kept, the rest redrawn); then signed
    largest    of the steps by which a number is moved
    seed       of the choice among mistakes

    The mistakes are made by rules (harness.text.mistakes): one number or operation is changed. A
    sentence with neither is undefined. Diagnostics: mistaken (1 where there is a mistake to make),
    same (P of the same answer under it), n (rollouts).

    Source: Lanham et al., Measuring Faithfulness in Chain-of-Thought Reasoning, arXiv 2307.13702
    (adding mistakes; there a model writes them).
    """

    less_kept: bool
    largest: PositiveInt
    seed: int

    @property
    def family(self) -> str:
        """The literature it comes from."""
        return "interpretability"

    @property
    def signed(self) -> bool:
        """Only beside the rollouts that keep the sentence may a mistake help."""
        return self.less_kept

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Draw]:
        """Rollouts behind each mistaken sentence; nothing where the trace has no answer."""
        if trace.answer == NO_ANSWER:
            return []
        mistakes = self._mistakes(trace)
        kept = [Draw(i + 1, have.draws, arm=KEPT) for i in mistakes] if self.less_kept else []
        return [*(self._draw(i, text, have.draws) for i, text in mistakes.items()), *kept]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """A probability, or a difference of two; NaN without a mistake or without rollouts."""
        n = len(trace.sentences)
        mistakes = {} if trace.answer == NO_ANSWER else self._mistakes(trace)
        same = self._same(trace, evidence, ARM, mistakes)
        made = np.isin(np.arange(n), list(mistakes)).astype(np.float64)
        count = np.full(n, np.nan)
        for i in mistakes:
            count[i] = len(evidence.rollouts.get((ARM, i + 1), ()))
        score = 1 - same
        if self.less_kept:
            score = self._same(trace, evidence, KEPT, mistakes) - same
        no_answer = "the trace has no answer" if trace.answer == NO_ANSWER else ""
        reason = no_answer or ("" if mistakes else "no number or operation to mistake")
        return SentenceScores(score, {"mistaken": made, "same": same, "n": count}, reason=reason)

    def _mistakes(self, trace: Trace) -> Mapping[int, str]:
        """The mistaken version of each sentence that has one."""
        made = (mistaken(s.text, self.largest, self.seed) for s in trace.sentences)
        return {i: text for i, text in enumerate(made) if text is not None}

    def _draw(self, i: int, text: str, n: int) -> Draw:
        return Draw(i + 1, n, arm=ARM, condition=Condition(edits=(Edit(i, i + 1, text),)))

    def _same(
        self, trace: Trace, evidence: Evidence, arm: str, sentences: Mapping[int, str]
    ) -> Float[np.ndarray, " sentences"]:
        """Share of an arm's rollouts behind each sentence that end with the trace's answer."""
        found = np.full(len(trace.sentences), np.nan)
        for i in sentences:
            answers = drawn.answer if (drawn := evidence.rollouts.get((arm, i + 1))) else ()
            if answers:
                found[i] = np.mean([answer == trace.answer for answer in answers])
        return found
