"""`at2`: attention to a sentence, weighed by head so that it foretells what hiding it does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field, PositiveInt
from scipy.optimize import minimize

from harness import Attend, Condition, Evidence, Mask, Read, SentenceScores, Trace

Heads = Float[np.ndarray, " heads"]
Features = Float[np.ndarray, "masks heads"]
Outcomes = Float[np.ndarray, " masks"]


@dataclass(frozen=True)
class Row:
    """The mean weight that the tokens of one sentence give to those of each."""

    sentence: int

    def __call__(
        self, weights: Float[np.ndarray, "heads sentences sentences"]
    ) -> Float[np.ndarray, "heads sentences"]:
        """The row of that sentence in every head."""
        return weights[:, self.sentence]


@dataclass(frozen=True)
class AT2:
    """How much the last sentence of the reasoning attends to a sentence, in heads that matter.

    Score of j = sum over heads h of w_h a_h(j), a_h(j) = the attention from the last sentence,
    a mean over its tokens, to all of j together. w makes the sum over j of +score where j is there
    and -score where it is hidden correlate, over `masks` random sets of hidden sentences, with the
    log odds of the last sentence: the mean Pearson correlation over the traces is as large as it
    gets, then the sizes of w add up to 1. Higher = more of an anchor; negative = it is hindered.

    Ours: what is attributed is the last sentence, the text behind the reasoning there; a hidden
    sentence is hidden from what follows, there from its own tokens, too; the optimum is found by
    L-BFGS, there neared in 1,000 steps of Adam.

    Source: Cohen-Wang et al., Learning to Attribute with Attention, arXiv 2504.13752, and the
    package at2 0.0.1, whose formula this is.
    """

    masks: PositiveInt
    share: Annotated[float, Field(gt=0, lt=1)]
    seed: int
    weights: tuple[float, ...] | None

    family = "interpretability"
    signed = True

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Attend | Read]:
        """The attention; until the heads are weighed a pass for each set of hidden sentences."""
        last = _last(trace)
        if last < 1:
            return []
        hidden = [] if self.weights else [_hidden(row) for row in self._kept(last)]
        return [Attend(Row(last)), *hidden]

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> "AT2":
        """A copy that knows how much each head counts; itself where nothing can be learnt."""
        if self.weights:
            return self
        pairs = zip(traces, evidence, strict=True)
        found = [self._outcomes(trace, have) for trace, have in pairs if _last(trace) > 0]
        moved = [(x - x.mean(0), y - y.mean()) for x, y in found if np.ptp(x, 0).any()]
        varied = [(x, y / np.linalg.norm(y)) for x, y in moved if np.linalg.norm(y) > 0]
        return replace(self, weights=tuple(weighed(varied).tolist())) if varied else self

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Weighed attention; NaN for the last sentence and what stands behind it."""
        last, found = _last(trace), np.full(len(trace.sentences), np.nan)
        if last < 1 or not self.weights:
            reason = "fewer than two sentences" if last < 1 else "no trace to learn heads from"
            return SentenceScores(found, reason=reason)
        found[:last] = _attention(trace, evidence, last) @ np.array(self.weights)
        return SentenceScores(found)

    def _kept(self, last: int) -> Bool[np.ndarray, "masks sentences"]:
        """Which of the sentences before the last stay, in each set."""
        return np.random.default_rng([self.seed, last]).random((self.masks, last)) < self.share

    def _outcomes(self, trace: Trace, have: Evidence) -> tuple[Features, Outcomes]:
        """What each head says of each set, and the log odds of the last sentence under it."""
        last = _last(trace)
        kept, span = self._kept(last), trace.sentences[last]
        signs = 2 * kept.astype(np.float64) - 1
        logprob = [have.readings[_hidden(row).condition].logprob for row in kept]
        sums = [float(p[span.start : span.stop].sum()) for p in logprob if p is not None]
        p = np.minimum(np.array(sums, np.float64), -1e-9)  # a certainty has no odds
        return signs @ np.nan_to_num(_attention(trace, have, last)), p - np.log(-np.expm1(p))


def weighed(found: Sequence[tuple[Features, Outcomes]]) -> Heads:
    """The weights of the largest mean correlation, from even ones; outcomes are of length 1."""

    def loss(w: Heads) -> tuple[float, Heads]:
        value, slope = 0.0, np.zeros_like(w)
        for x, y in found:
            told = x @ w
            length = np.linalg.norm(told) + 1e-12
            value -= float(told @ y / length) / len(found)
            slope -= x.T @ (y - told * (told @ y) / length**2) / length / len(found)
        return value, slope

    start = np.full(found[0][0].shape[1], 1 / found[0][0].shape[1])
    best = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return best / np.abs(best).sum()


def _last(trace: Trace) -> int:
    """The last sentence that has tokens; -1 for none."""
    return max((i for i, s in enumerate(trace.sentences) if s.start < s.stop), default=-1)


def _hidden(kept: Bool[np.ndarray, " sentences"]) -> Read:
    """The trace read with the others hidden."""
    gone = tuple(np.flatnonzero(~kept).tolist())
    return Read(logprob=True, condition=Condition(under=(Mask(gone),) if gone else ()))


def _attention(trace: Trace, evidence: Evidence, last: int) -> Float[np.ndarray, "sentences heads"]:
    """The weight of each sentence before the last, all its tokens together, in every head."""
    size = np.array([s.stop - s.start for s in trace.sentences[:last]])
    found = evidence.found(Attend(Row(last))).astype(np.float64)
    return found.reshape(-1, found.shape[-1])[:, :last].T * size[:, None]
