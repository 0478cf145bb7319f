"""`transplant`: what RL's choice of a sentence is worth, one and the same model going on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field

from harness import (
    PLAIN,
    Condition,
    Depart,
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
from harness.statistics.allocation import arms, leaving
from harness.statistics.distances import sweep
from harness.statistics.importance import Choices, choices
from harness.statistics.mixtures import averaged, mixture

ARM = "resample"  # the rollouts of `resampling`, drawn for both
FIRST, BEHIND = "transplant_first", "transplant"
Share = Annotated[float, Field(gt=0, lt=1)]
Sentences = Float[np.ndarray, " sentences"]
Boundaries = Float[np.ndarray, " boundaries"]


@dataclass(frozen=True)
class Transplant:
    """P(correct) if RL chooses a sentence, less that if base does, one and the same model going on.

    "Own" is the checkpoint that wrote the trace and goes on, "other" the second one. R_i are the
    rollouts that draw sentence i anew, T their first sentences, w = p_other(T) / p_own(T) under the
    temperature and top-p they were drawn with. With RL as other V_i = mean of (w - 1)(correct -
    mean correct) over R_i; with base as other its sign is turned. So positive = RL's choice helps,
    whoever wrote the trace; no rollout is drawn for it that `resampling` does not draw. With
    estimator `exact` these leave the trace's own sentence, whose share of R_i, whose w and what
    follows it are known.

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
    estimator: Literal["plain", "exact"]

    family = "rl"
    signed = True

    def __post_init__(self) -> None:
        if self.estimator == "exact" and self.until != "end":
            raise UserError("until: must be end where the estimator is exact")
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
        drawn = self._draws(trace, have)
        if not _gathered(drawn, have):
            return drawn
        both = (PLAIN, self._other)
        own = [Read(sampled=True, condition=c) for c in both]
        places = [(want.arm, want.boundary) for want in drawn if isinstance(want, Draw)]
        weighed = [
            ReadRollouts(arm, k, layer=None, sampled=True, condition=c)
            for arm, k in places
            if k < len(trace.sentences)
            for c in both
        ]
        every: list[Want[Any]] = [*drawn, *own, *weighed]
        if self.mode == "drawn" and _read(weighed, have) and set(both) <= set(have.readings):
            found = enumerate(self._choices(trace, have)[0])
            failed = [k for k, each in found if not each.effective_share >= self.min_ess]
            every += [draw for k in failed for draw in self._arms(k, have.draws)]
        return every

    def _draws(self, trace: Trace, have: Evidence) -> Sequence[Depart | Draw]:
        if self.estimator == "exact":
            return leaving(trace, have)
        return [Draw(k, have.draws, self.until, ARM) for k in range(len(trace.sentences) + 1)]

    def _arms(self, boundary: int, n: int) -> tuple[Draw, Draw]:
        """The other checkpoint writes a sentence, the own goes on."""
        first = Draw(boundary, n, "sentence", FIRST, condition=self._other)
        return first, Draw(boundary, n, self.until, BEHIND, of=FIRST)

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """A difference of probabilities; NaN without rollouts or where weights fail."""
        every, right = self._choices(trace, evidence)
        share = np.array([each.effective_share for each in every])
        boundary = np.array(
            [self._of_boundary(evidence, k, each, right[k]) for k, each in enumerate(every)],
            dtype=np.float64,
        )
        p_own, p_other = (self._of_trace(trace, evidence, c) for c in (PLAIN, self._other))
        sentence = self._sign * (p_other - p_own) * (right[1:] - right[:-1])
        p_rl, p_base = (p_other, p_own) if self.rl else (p_own, p_other)
        return SentenceScores(
            sentence if self.mode == "sentence" else boundary,
            {
                "at_boundary": boundary,
                "at_sentence": sentence,
                "mean_weight": np.array([each.mean_weight for each in every]),
                "effective_share": share,
                "p_rl": p_rl,
                "p_base": p_base,
                **({"repeat": p_own} if self.estimator == "exact" else {}),
            },
            reason=self._reason(share),
        )

    def _of_boundary(self, evidence: Evidence, k: int, every: Choices, right: float) -> float:
        """V_i by weights, by rollouts of its own where there are any, or undefined."""
        if self.mode == "drawn" and (BEHIND, k) in evidence.rollouts:
            behind = evidence.rollouts[BEHIND, k]
            return self._sign * float(behind.correct.mean() - right) if len(behind) else np.nan
        return self._sign * every.gain if every.effective_share >= self.min_ess else np.nan

    def _choices(self, trace: Trace, evidence: Evidence) -> tuple[list[Choices], Boundaries]:
        """The sentences that may stand at each boundary, and P(correct) at all of them."""
        n = len(trace.sentences)
        if self.estimator == "plain":
            rollouts = [evidence.rollouts[ARM, k] for k in range(n + 1)]
            right = [r.correct.mean() if len(r) else np.nan for r in rollouts]
            return [self._drawn(None, [r]) for r in rollouts[:-1]], np.array(right)
        halves = [sweep(evidence, arm, n + 1) for arm in arms(evidence)]
        logprob = evidence.found(Depart(arms(evidence)[0], evidence.draws)).logprob
        counts = [np.array([np.bincount(r.correct, minlength=2) for r in half]) for half in halves]
        right = averaged([mixture(each, logprob) for each in counts]).p[:, 1]
        own, other = (self._of_trace(trace, evidence, c) for c in (PLAIN, self._other))
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            weight = _finite(other / own)
        itself = zip(np.exp(logprob), weight, right[1:], strict=True)
        left = zip(*(half[:-1] for half in halves), strict=True)
        return [self._drawn(*pair) for pair in zip(itself, left, strict=True)], right

    def _drawn(
        self, itself: tuple[float, float, float] | None, halves: Sequence[Rollouts]
    ) -> Choices:
        """What rollouts from a boundary write; each half that has some counts alike.

        `itself` is the share, weight and P(correct) of the trace's own sentence where they leave
        it; all is unknown where none does and some would.
        """
        there = [rollouts for rollouts in halves if len(rollouts)]
        stay, weight, behind = itself or (0.0, np.nan, np.nan)
        if not there and stay < 1:
            return choices(*np.empty((3, 0)))
        part = (1 - stay) / max(len(there), 1)
        share = [np.full(len(r), part / len(r)) for r in there]
        return choices(
            np.concatenate([[stay], *share]),
            np.concatenate([[weight], *map(self._weights, there)]),
            np.concatenate([[behind], *(r.correct.astype(np.float64) for r in there)]),
        )

    def _weights(self, rollouts: Rollouts) -> Float[np.ndarray, " draws"]:
        """p_other / p_own of each rollout's first sentence; NaN where the own gives it none.

        A draw at the edge of the nucleus may lie outside of it when it is read again.
        """
        own, other = rollouts.sampled[PLAIN], rollouts.sampled[self._other]
        with np.errstate(over="ignore", invalid="ignore"):
            return _finite(np.exp(other - own))

    def _of_trace(self, trace: Trace, evidence: Evidence, condition: Condition) -> Sentences:
        """The probability of each of the trace's own sentences, as sampled."""
        values = evidence.readings[condition].sampled
        assert values is not None
        return np.exp(pool(values.astype(np.float64), trace.sentences, np.sum))

    def _reason(self, share: Sentences) -> str:
        """Why all is undefined, where that is because weights fail."""
        failed = not (share >= self.min_ess).any() and self.mode == "boundary"
        return "the weights of all sentences fail (min_ess)" if failed else ""


def _finite(weights: Sentences) -> Sentences:
    """NaN where a weight is none, or past all numbers."""
    return np.where(np.isfinite(weights), weights, np.nan)


def _gathered(drawn: Sequence[Depart | Draw], have: Evidence) -> bool:
    """Whether all rollouts are there that are known to be wanted, and some are."""
    wanted = [want for want in drawn if isinstance(want, Draw)]
    found = [have.rollouts.get((want.arm, want.boundary), ()) for want in wanted]
    there = all((want.arm, want.boundary) in have.rollouts for want in wanted)
    # Of those allotted only the pilot is there at first; of others there may be fewer for good.
    # None at all stand for what is foreseen, so that what is wanted next shows beforehand.
    pairs = zip(wanted, map(len, found), strict=True)
    return bool(wanted) and there and all(n in (0, w.n) or n > w.n for w, n in pairs if w.leaving)


def _read(wanted: Sequence[ReadRollouts], have: Evidence) -> bool:
    return all(want.condition in have.rollouts[want.arm, want.boundary].sampled for want in wanted)
