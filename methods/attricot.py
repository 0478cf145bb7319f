"""`attricot`: sentences that make the later ones likely, by leaving sentences out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field, NonNegativeFloat

from harness import PLAIN, Condition, Edit, Evidence, Read, SentenceScores, Trace, pool

Present = Bool[np.ndarray, "passes sentences"]
Values = Float[np.ndarray, "passes sentences"]


@dataclass(frozen=True)
class AttriCoT:
    """How much likelier each later sentence is for a sentence's being there.

    l_t(m) = mean log p in nats, at T = 1, of the tokens of sentence t where the sentences m are
    there and the others left out, the text of all as it was written. For each t least squares of
    l_t(m), over the passes in which t is there, on a constant and on which earlier sentences are:
    b(t, j) is the coefficient of sentence j. Score of j = mean of b(t, j) over the later sentences
    t. Higher = more of an anchor; negative = what follows is less likely for it. These are direct
    effects: what stands between is as it was written. They say what the text leans on, not what is
    right.

    Passes: one with each sentence left out, which alone gives b(t, j) = l_t(all) - l_t(all but j),
    and `joint` more for each sentence, in which each goes with probability `share`.

    The matrix is b. Diagnostics: answer (the coefficient for what is written behind the reasoning),
    targets (how many later sentences count).

    Source: Local Causal Attribution of Chain-of-Thought Reasoning, arXiv 2606.21821; joint=0 is its
    AttriCoT-LOO, but that units of the prompt are left out there, too. How its 2x design samples
    could not be read: joint=1 has as many passes, its sampling is ours.
    """

    joint: NonNegativeFloat
    share: Annotated[float, Field(gt=0, lt=1)]
    seed: int

    family = "interpretability"
    signed = True

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Read]:
        """A pass over the trace as it is, and part of one for each set of sentences left out."""
        return [Read(logprob=True, condition=c) for c in self._conditions(trace)]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Nats a token; NaN for the last sentence and those without tokens."""
        n, conditions = len(trace.sentences), self._conditions(trace)
        nan = np.full(n, np.nan)
        if n < 2:
            told = {"answer": nan, "targets": nan}
            return SentenceScores(nan, told, reason="fewer than two sentences")
        present = np.ones((len(conditions), n), bool)
        for row, condition in enumerate(conditions):
            present[row, [edit.start for edit in condition.edits]] = False
        logprob = [_logprob(evidence, c) for c in conditions]
        each = np.stack([pool(values, trace.sentences, np.mean) for values in logprob])
        filled = np.array([s.start < s.stop for s in trace.sentences])
        matrix = coefficients(present, each, filled)
        last = trace.sentences[-1].stop
        behind = np.array(
            [values[last:].mean() if last < len(values) else np.nan for values in logprob]
        )
        answer = _fitted(present, behind, filled)
        known = np.isfinite(matrix)
        count = known.sum(0)
        score = np.where(known, matrix, 0).sum(0) / np.where(count > 0, count, np.nan)
        return SentenceScores(score, {"answer": answer, "targets": count.astype(float)}, matrix)

    def _conditions(self, trace: Trace) -> list[Condition]:
        """The trace as it is, without each sentence, and without the random sets."""
        filled = [i for i, s in enumerate(trace.sentences) if s.start < s.stop]
        rng = np.random.default_rng([self.seed, len(filled)])
        gone = rng.random((round(self.joint * len(filled)), len(filled))) < self.share
        sets = [[i] for i in filled]
        sets += [[i for i, out in zip(filled, row, strict=True) if out] for row in gone.tolist()]
        made = [Condition(edits=tuple(Edit(i, i + 1) for i in some)) for some in sets]
        return list(dict.fromkeys([PLAIN, *made]))


def coefficients(
    present: Present, each: Values, filled: Bool[np.ndarray, " sentences"]
) -> Float[np.ndarray, "targets sources"]:
    """b(t, j) for all j before t, NaN beyond; `each` is l_t by pass, NaN where t is left out."""
    n = len(filled)
    found = np.full((n, n), np.nan)
    for t in range(1, n):
        found[t, :t] = _fitted(present[:, :t], each[:, t], filled[:t])
    return found


def _fitted(
    present: Present, values: Float[np.ndarray, " passes"], filled: Bool[np.ndarray, " sentences"]
) -> Float[np.ndarray, " sentences"]:
    """The coefficient of each sentence that has tokens, NaN where nothing is known."""
    found, known = np.full(len(filled), np.nan), np.isfinite(values)
    if known.any():
        design = np.column_stack([np.ones(known.sum()), present[known][:, filled]])
        found[filled] = np.linalg.lstsq(design, values[known], rcond=None)[0][1:]
    return found


def _logprob(evidence: Evidence, condition: Condition) -> Float[np.ndarray, " tokens"]:
    """What each token of the trace gets, in double precision; NaN where it is left out."""
    values = evidence.readings[condition].logprob
    assert values is not None
    return values.astype(np.float64)
