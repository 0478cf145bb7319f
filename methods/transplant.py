"""`transplant`: what RL's choice of a sentence is worth, one and the same model going on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field

from harness import (
    PLAIN,
    Condition,
    Draw,
    Evidence,
    Read,
    ReadRollouts,
    Rollouts,
    SentenceScores,
    Trace,
    UserError,
    Want,
    pool,
)
from harness.statistics.importance import effective_share, mean

ARM = "resample"  # the rollouts of `resampling`, drawn for both
FIRST, BEHIND = "transplant_first", "transplant"
Share = Annotated[float, Field(gt=0, lt=1)]
Sentences = Float[np.ndarray, " sentences"]


@dataclass(frozen=True)
class Transplant:
    """P(correct) if RL chooses a sentence, less that if base does, one and the same model going on.

    "Own" is the checkpoint that wrote the trace and goes on, "other" the second one. R_i are the
    rollouts that draw sentence i anew, T their first sentences, w = p_other(T) / p_own(T) under the
    temperature and top-p they were drawn with. With RL as other V_i = mean of (w - 1)(correct -
    mean correct) over R_i; with base as other its sign is turned. So positive = RL's choice helps,
    whoever wrote the trace; no rollout is drawn for it that `resampling` does not draw.

    mode sentence  what stands there: (p_rl - p_base)(s_i) · (Q - P), P and Q the shares of right
                   answers of R_i and of the rollouts that keep s_i
         boundary  V_i, a property of the place: a decoy before a plan has the plan's V
         drawn     V_i, and where the weights fail from rollouts whose next sentence the other
                   checkpoint writes, drawn for it
    rl, base     the checkpoints by name; one of them is "" = the model that wrote the trace
    min_ess      effective share of the rollouts, (mean w)^2 / mean w^2, below which weights fail:
                 V_i is undefined

    Diagnostics: at_boundary (V_i), at_sentence, mean_weight (1 where the other puts no mass
    elsewhere), effective_share, p_rl and p_base (of the trace's own sentence).

    Source: importance weighting of ours, after the swaps of Base Models Know How to Reason,
    arXiv 2510.07364.
    """

    mode: Literal["sentence", "boundary", "drawn"]
    rl: str
    base: str
    min_ess: Share
    until: Literal["end", "answer"]

    family = "rl"
    signed = True

    def __post_init__(self) -> None:
        if (self.rl == "") == (self.base == ""):
            raise UserError(
                'transplant: one of rl and base must be "", the model that wrote the trace and '
                "goes on, and the other a name from model.checkpoints"
            )

    @property
    def _other(self) -> Condition:
        return Condition(self.rl or self.base)

    @property
    def _sign(self) -> int:
        """-1 where RL wrote the trace, so that the weights tell what base's choice is worth."""
        return 1 if self.rl else -1

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """The rollouts of `resampling`, then what both give their first sentences and the trace's.

        In the mode `drawn`, then the rollouts where weights fail.
        """
        n = len(trace.sentences)
        drawn = [Draw(k, have.draws, self.until, ARM) for k in range(n + 1)]
        own = [Read(sampled=True, condition=c) for c in (PLAIN, self._other)]
        if not all((ARM, k) in have.rollouts for k in range(n + 1)):
            return drawn
        weighed = [
            ReadRollouts(ARM, k, layer=None, sampled=True, condition=c)
            for k in range(n)
            for c in (PLAIN, self._other)
        ]
        every: list[Want[Any]] = [*drawn, *own, *weighed]
        if self.mode == "drawn" and all(
            self._other in have.rollouts[ARM, k].sampled for k in range(n)
        ):
            share = [effective_share(self._weights(have.rollouts[ARM, k])) for k in range(n)]
            failed = [k for k in range(n) if not share[k] >= self.min_ess]
            every += [draw for k in failed for draw in self._arms(k, have.draws)]
        return every

    def _arms(self, boundary: int, n: int) -> tuple[Draw, Draw]:
        """The other checkpoint writes a sentence, the own goes on."""
        first = Draw(boundary, n, "sentence", FIRST, condition=self._other)
        return first, Draw(boundary, n, self.until, BEHIND, of=FIRST)

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """A difference of probabilities; NaN without rollouts or where weights fail."""
        n = len(trace.sentences)
        sweep = [evidence.rollouts[ARM, k] for k in range(n + 1)]
        weights = [self._weights(rollouts) for rollouts in sweep[:-1]]
        share = np.array([effective_share(w) for w in weights])
        boundary = np.array(
            [self._of_boundary(evidence, k, w) for k, w in enumerate(weights)], dtype=np.float64
        )
        p_own, p_other = (self._of_trace(trace, evidence, c) for c in (PLAIN, self._other))
        right = np.array([r.correct.mean() if len(r) else np.nan for r in sweep])
        sentence = self._sign * (p_other - p_own) * (right[1:] - right[:-1])
        p_rl, p_base = (p_other, p_own) if self.rl else (p_own, p_other)
        return SentenceScores(
            sentence if self.mode == "sentence" else boundary,
            {
                "at_boundary": boundary,
                "at_sentence": sentence,
                "mean_weight": np.array([mean(w) for w in weights]),
                "effective_share": share,
                "p_rl": p_rl,
                "p_base": p_base,
            },
            reason=self._reason(share),
        )

    def _of_boundary(self, evidence: Evidence, k: int, weights: Sentences) -> float:
        """V_i by weights, by rollouts of its own where there are any, or undefined."""
        rollouts = evidence.rollouts[ARM, k]
        if self.mode == "drawn" and (BEHIND, k) in evidence.rollouts:
            behind = evidence.rollouts[BEHIND, k]
            if not len(behind) or not len(rollouts):
                return np.nan
            return self._sign * float(behind.correct.mean() - rollouts.correct.mean())
        if not effective_share(weights) >= self.min_ess:
            return np.nan
        return self._sign * reweighted(weights, rollouts.correct)

    def _weights(self, rollouts: Rollouts) -> Float[np.ndarray, " draws"]:
        """p_other / p_own of each rollout's first sentence; NaN where the own gives it none.

        A draw at the edge of the nucleus may lie outside of it when it is read again.
        """
        own, other = rollouts.sampled[PLAIN], rollouts.sampled[self._other]
        weights = np.full(len(own), np.nan)
        there = np.isfinite(own)
        weights[there] = np.exp(other[there] - own[there])
        return weights

    def _of_trace(self, trace: Trace, evidence: Evidence, condition: Condition) -> Sentences:
        """The probability of each of the trace's own sentences, as sampled."""
        values = evidence.readings[condition].sampled
        assert values is not None
        return np.exp(pool(values.astype(np.float64), trace.sentences, np.sum))

    def _reason(self, share: Sentences) -> str:
        """Why all is undefined, where that is because weights fail."""
        failed = not (share >= self.min_ess).any() and self.mode == "boundary"
        return "the weights of all sentences fail (min_ess)" if failed else ""


def reweighted(weights: Float[np.ndarray, " draws"], correct: Bool[np.ndarray, " draws"]) -> float:
    """Mean of (w - 1)(correct - mean correct) over the draws that have a weight."""
    there = ~np.isnan(weights)
    right = correct[there].astype(np.float64)
    return float(((weights[there] - 1) * (right - right.mean())).mean())
