"""Early answering: what a sentence does to the answer asked for at once (arXiv 2307.13702)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness import Evidence, Likelihood, SentenceScores, Trace


@dataclass(frozen=True)
class EarlyAnswer:
    """How far a sentence moves the log-probability of the answer, were it forced right there.

    |a(x_1..i) - a(x_1..i-1)|, a = log p in nats of the answer with what closes it, at T = 1, behind
    the text that forces answers. Higher = more of an anchor. It finds what the answer is *read
    from*; what *decides* it may lie before, and is screened off by what was made of it.

    answer   gold: the problem's own, also of traces that miss it; own: the trace's, which needs no
             gold
    closing  what closes an answer, so that 4 does not stand for 42

    Diagnostics: change (with its sign: positive = likelier after the sentence) and logprob (a after
    the sentence), both in nats.

    Source: Lanham et al., Measuring Faithfulness in Chain-of-Thought Reasoning, arXiv 2307.13702
    (early answering there compares the answers themselves, over shares of the trace).
    """

    answer: Literal["gold", "own"]
    closing: str

    @property
    def family(self) -> str:
        """The literature it comes from."""
        return "interpretability"

    @property
    def signed(self) -> bool:
        """A size; the direction is a diagnostic."""
        return False

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Likelihood]:
        """The answer behind every boundary, in one pass; nothing where there is none."""
        text = trace.stated(self.answer)
        return [Likelihood(text + self.closing, have.force)] if text else []

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Nats; NaN where a boundary does not fit into the context."""
        wanted = self.wants(trace, evidence)
        if not wanted:
            nan = np.full(len(trace.sentences), np.nan)
            reason = f"no answer (answer={self.answer})"
            return SentenceScores(nan, {"change": nan, "logprob": nan}, reason=reason)
        logprob = evidence.found(wanted[0]).astype(np.float64)
        change = np.diff(logprob)
        return SentenceScores(np.abs(change), {"change": change, "logprob": logprob[1:]})
