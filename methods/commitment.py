"""Commitment: where a model's forced answer becomes the one it ends with (2606.13603)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import Field

from harness import NO_ANSWER, Evidence, Likelihood, SentenceScores, Trace

Share = Annotated[float, Field(gt=0, le=1)]
Probabilities = Float[np.ndarray, " boundaries"]


@dataclass(frozen=True)
class Commitment:
    """What a sentence adds to the probability of the trace's own answer, were it forced there.

    p_i - p_(i-1), p_i the probability of the answer the trace ends with, behind the first i
    sentences and the text that forces answers, at T = 1. Higher = more of an anchor; signed:
    negative = the sentence leads away from that answer. It finds what the answer is *read from*.

    share     the model stays with its answer from the first boundary on at which, and at all later
              ones, p reaches p_0 + share (p_n - p_0)
    min_gain  traces with p_n - p_0 up to this have no such boundary: the trace adds too little
    closing   what closes an answer, so that 4 does not stand for 42

    Diagnostics: probability (p_i); stays (1 for a sentence whose end is such a boundary, else 0);
    largest (1 for the sentence of the largest gain: the published commitment boundary). The last
    two are NaN in traces that add too little.

    Source: Scalena et al., Beyond the Commitment Boundary, 2606.13603, after its public code:
    that takes the probability of the answer's first token, and leaves whole traces out by
    `min_gain`; here it is that of the whole answer, and every trace is scored.
    """

    share: Share
    min_gain: Annotated[float, Field(ge=0, lt=1)]
    closing: str

    @property
    def family(self) -> str:
        """The literature it comes from."""
        return "interpretability"

    @property
    def signed(self) -> bool:
        """A sentence may lead to the answer or away from it."""
        return True

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Likelihood]:
        """The trace's answer behind every boundary, in one pass; nothing where it has none."""
        if trace.answer == NO_ANSWER:
            return []
        return [Likelihood(trace.answer + self.closing, have.force)]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Differences of probabilities; NaN where a boundary does not fit into the context."""
        wanted = self.wants(trace, evidence)
        if not wanted:
            nan = np.full(len(trace.sentences), np.nan)
            names = ("probability", "stays", "largest")
            return SentenceScores(nan, dict.fromkeys(names, nan), reason="the trace has no answer")
        p = np.exp(evidence.found(wanted[0]).astype(np.float64))
        gain = np.diff(p)
        told = {"probability": p[1:], "stays": self._stays(p), "largest": self._largest(p, gain)}
        return SentenceScores(gain, told)

    def _adds(self, p: Probabilities) -> bool:
        """Whether the trace makes its answer likelier by enough; False where p is not known."""
        return bool(p[-1] - p[0] > self.min_gain)

    def _stays(self, p: Probabilities) -> Float[np.ndarray, " sentences"]:
        """1 from the first boundary on from which p keeps above the threshold."""
        if not self._adds(p):
            return np.full(len(p) - 1, np.nan)
        above = p >= p[0] + self.share * (p[-1] - p[0])
        return np.logical_and.accumulate(above[::-1])[::-1][1:].astype(np.float64)

    def _largest(
        self, p: Probabilities, gain: Float[np.ndarray, " sentences"]
    ) -> Float[np.ndarray, " sentences"]:
        """1 at the largest gain, the first of equal ones."""
        if not self._adds(p):
            return np.full(len(gain), np.nan)
        return (np.arange(len(gain)) == np.nanargmax(gain)).astype(np.float64)
