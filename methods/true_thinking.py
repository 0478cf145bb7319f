"""`true_thinking`: steps that the answer rests on, with their context whole or disturbed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import PositiveInt

from harness import Condition, Edit, Evidence, Likelihood, SentenceScores, Trace
from harness.text.mistakes import disturbed


@dataclass(frozen=True)
class TrueThinking:
    """How far disturbing a sentence moves the answer, averaged over two contexts.

    1/2 |P(y | C, s) - P(y | C, s')| + 1/2 |P(y | C', s) - P(y | C', s')|: P of the answer y with
    what closes it, at T = 1, forced right behind sentence s and the sentences C before it. s' has a
    small offset on every number; without one it is left out. C' has such offsets on all its
    numbers, and nothing is left out of it. The first half asks whether the sentence is needed, the
    second whether it is enough. Higher = more of an anchor, from 0 to 1.

    answer   own: the trace's, the model's own prediction; gold: the problem's
    closing  what closes an answer, so that 4 does not stand for 42
    largest  of the offsets, up or down
    seed     of the choice among offsets

    Diagnostics: needed and enough (the two differences), numbers (1 where the sentence has one to
    disturb). Ours: offsets that keep a number's digits, decimals and separators, and let the
    numbers be that count steps or items; the answer is forced as the model is forced elsewhere
    (there behind "The final result is", inside the reasoning).

    Source: Can Aha Moments Be Fake?, arXiv 2510.24941 (true-thinking score, appendix A).
    """

    answer: Literal["gold", "own"]
    closing: str
    largest: PositiveInt
    seed: int

    family = "interpretability"
    signed = False

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Likelihood]:
        """The answer behind every boundary of the trace as it is, disturbed whole and in part."""
        found = self._asked(trace, have.force)
        return [] if found is None else found.every

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """A difference of probabilities; NaN where a boundary does not fit into the context."""
        nan = np.full(len(trace.sentences), np.nan)
        found = self._asked(trace, evidence.force)
        if found is None:
            told = {"needed": nan, "enough": nan, "numbers": nan}
            return SentenceScores(nan, told, reason=f"no answer (answer={self.answer})")
        p, q = (np.exp(evidence.found(w).astype(np.float64)) for w in (found.whole, found.all))
        needed, enough = nan.copy(), nan.copy()
        for i, (alone, after) in enumerate(zip(found.alone, found.after, strict=True)):
            without = p[i] if alone is None else np.exp(float(evidence.found(alone)[0]))
            kept = q[i + 1] if after is None else np.exp(float(evidence.found(after)[0]))
            needed[i] = abs(p[i + 1] - without)
            enough[i] = abs(kept - (q[i + 1] if alone is not None else q[i]))
        numbers = np.array([float(alone is not None) for alone in found.alone])
        told = {"needed": needed, "enough": enough, "numbers": numbers}
        return SentenceScores((needed + enough) / 2, told)

    def _asked(self, trace: Trace, force: str) -> "_Asked | None":
        """What is asked of a trace; None where it has no answer."""
        text = trace.stated(self.answer)
        if not text:
            return None
        made = [disturbed(s.text, self.largest, self.seed) for s in trace.sentences]
        edits = [None if t is None else Edit(i, i + 1, t) for i, t in enumerate(made)]

        def likelihood(some: Sequence[Edit | None], *boundary: int) -> Likelihood:
            condition = Condition(edits=tuple(edit for edit in some if edit))
            return Likelihood(text + self.closing, force, boundary or None, condition)

        return _Asked(
            likelihood([]),
            likelihood(edits),
            [likelihood([e], i + 1) if e else None for i, e in enumerate(edits)],
            [likelihood(edits[:i], i + 1) if e else None for i, e in enumerate(edits)],
        )


@dataclass(frozen=True)
class _Asked:
    """An answer behind the trace as it is and disturbed whole, and behind each sentence.

    `alone`: that one disturbed, its context as it is; `after`: that one as it is, its context
    disturbed. None for a sentence without a number. Its own text stands in the disturbed whole
    then, and the boundary before it is where it is left out.
    """

    whole: Likelihood
    all: Likelihood
    alone: Sequence[Likelihood | None]
    after: Sequence[Likelihood | None]

    @property
    def every(self) -> list[Likelihood]:
        """All of them, each once."""
        some = [w for w in (*self.alone, *self.after) if w is not None]
        return list(dict.fromkeys([self.whole, self.all, *some]))
