"""`nldd`: sentences without whose right form the answer loses its lead over others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveInt

from harness import PLAIN, Condition, Edit, Evidence, Likelihood, SentenceScores, Trace
from harness.text.mistakes import mistaken


@dataclass(frozen=True)
class NLDD:
    """How much of the answer's lead over other answers is lost if a sentence is mistaken.

    (LD - LD_i) / |LD|: LD = log p of the answer less that of the likeliest other one, in nats at
    T = 1, each with what closes it and forced behind the trace; LD_i the same with a mistake in
    sentence i. Higher = more of an anchor: 0 = the lead is kept, 1 = it is gone, above 1 = another
    answer leads; negative = the mistake helps. The published number is this times 100.

    answer    gold: the problem's own; own: the trace's
    behind    truncated: LD_i is read right behind the mistaken sentence, as published; kept: behind
              the whole trace, the rest as it was written
    others    most answers to compare with: of a number v the published 0, v + 1, v - 1, 10 v and
              v / 10; of any other answer those of reference problems
    least     |LD| in nats up to which the ratio is undefined
    largest, seed   of the mistakes, made by rules (harness.text.mistakes): one number or operation
              is changed
    closing   what closes an answer, so that 4 does not stand for 42

    Diagnostics: mistaken (1 where there is a mistake to make), lead (LD_i). Ours: log p of a whole
    answer for its mean over tokens, and no division of LD by the spread of such scores over a
    set of problems, which cancels; a lead of nearly 0 is undefined where the published code says 0.

    Source: Mechanistic Evidence for Faithfulness Decay in Chain-of-Thought Reasoning,
    arXiv 2602.11201 (normalized logit difference decay), and its public code.
    """

    answer: Literal["gold", "own"]
    behind: Literal["truncated", "kept"]
    others: Annotated[int, Field(ge=1)]
    least: NonNegativeFloat
    largest: PositiveInt
    seed: int
    closing: str

    family = "interpretability"
    signed = True

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Likelihood]:
        """Each answer behind the trace and behind each mistaken sentence."""
        answers = self._answers(trace, have)
        mistakes = self._mistakes(trace) if len(answers) > 1 else {}
        places = [self._place(trace, i, text) for i, text in mistakes.items()]
        clean = [(PLAIN, len(trace.sentences))] if mistakes else []
        every = [*clean, *places]
        return [self._want(a, have.force, *place) for place in every for a in answers]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """A ratio; NaN for a sentence with nothing to mistake, and for all without a lead."""
        answers, mistakes = self._answers(trace, evidence), self._mistakes(trace)
        lead = np.full(len(trace.sentences), np.nan)
        made = np.isin(np.arange(len(lead)), list(mistakes)).astype(np.float64)
        reason = self._reason(answers, mistakes)
        if reason:
            return SentenceScores(lead, {"mistaken": made, "lead": lead}, reason=reason)
        clean = self._lead(answers, evidence, (PLAIN, len(trace.sentences)))
        for i, text in mistakes.items():
            lead[i] = self._lead(answers, evidence, self._place(trace, i, text))
        told = {"mistaken": made, "lead": lead}
        if not abs(clean) > self.least:
            return SentenceScores(np.full(len(lead), np.nan), told, reason="the answer has no lead")
        return SentenceScores((clean - lead) / abs(clean), told)

    def _reason(self, answers: Sequence[str], mistakes: Mapping[int, str]) -> str:
        """Why nothing of a trace can be scored, "" if it can."""
        if not answers:
            return f"no answer (answer={self.answer})"
        if len(answers) < 2:
            return "no other answer to compare with"
        return "" if mistakes else "no number or operation to mistake"

    def _lead(
        self, answers: Sequence[str], evidence: Evidence, place: tuple[Condition, int]
    ) -> float:
        """Log p of the first answer less that of the likeliest other, in nats."""
        wants = [self._want(answer, evidence.force, *place) for answer in answers]
        own, *others = (float(evidence.found(want)[0]) for want in wants)
        return own - max(others)

    def _want(self, answer: str, force: str, condition: Condition, boundary: int) -> Likelihood:
        return Likelihood(answer + self.closing, force, (boundary,), condition)

    def _place(self, trace: Trace, i: int, text: str) -> tuple[Condition, int]:
        """Where a mistaken sentence is told, and where the answer is forced."""
        condition = Condition(edits=(Edit(i, i + 1, text),))
        return condition, i + 1 if self.behind == "truncated" else len(trace.sentences)

    def _mistakes(self, trace: Trace) -> Mapping[int, str]:
        """The mistaken version of each sentence that has one."""
        made = (mistaken(s.text, self.largest, self.seed) for s in trace.sentences)
        return {i: text for i, text in enumerate(made) if text is not None}

    def _answers(self, trace: Trace, have: Evidence) -> list[str]:
        """The answer, then those that it is compared with; none where there is none."""
        own = trace.stated(self.answer)
        if not own:
            return []
        others = near(own) or [problem.answer.strip() for problem in have.references]
        rest = [text for text in dict.fromkeys(others) if text and text != own]
        return [own, *rest[: self.others]]


def near(answer: str) -> list[str]:
    """The numbers that a number is compared with, in plain digits; none for another answer."""
    try:
        value = Decimal(answer)
    except InvalidOperation:
        return []
    if not value.is_finite():
        return []
    made = (Decimal(0), value + 1, value - 1, value * 10, value / 10)
    return [format(one.normalize() + 0, "f") for one in made if one != value]
