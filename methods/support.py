"""`support`: sentences of RL's that base hardly writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, PositiveFloat

from harness import (
    Compare,
    Condition,
    Draw,
    Evidence,
    Read,
    ReadRollouts,
    Rollouts,
    SentenceScores,
    Trace,
    Want,
    pool,
)
from harness.statistics.importance import effective_share, mean

OF_BASE, OF_RL = "support_base", "support_rl"
Share = Annotated[float, Field(gt=0, lt=1)]
Draws = Float[np.ndarray, " draws"]


@dataclass(frozen=True)
class Support:
    """Whether RL's sentences lie within what base writes too: it deploys, or it creates.

    One-sentence draws of base at each boundary, at T = 1 and top-p 1, w = p_rl(T) / p_base(T) of
    what they say. E_base[w] is 1 where base writes everything that RL writes, however rarely, and
    the share of RL's sentences that base has where it does not. Higher = more of an anchor.

    mode least   -log p_base in nats of the least likely token of RL's own sentence; where base
                 wrote the trace, the mean over sentences that RL draws there
         weight  1 - E_base[w]
    rl, base   the checkpoints by name, "" = the model that wrote the trace
    min_ess    effective share of the draws below which E_base[w] is undefined
    cap        the largest weight that counts in capped_weight: rare ones pull the mean back to 1

    Diagnostics: least (nats), mean_weight and capped_weight (E_base[w]), effective_share, kl
    (KL(rl || base) summed over the sentence's tokens, in nats).

    Source: a measure of ours, for the claim that RL deploys what base can do (Base Models Know How
    to Reason, arXiv 2510.07364).
    """

    mode: Literal["least", "weight"]
    rl: str
    base: str
    min_ess: Share
    cap: PositiveFloat

    family = "rl"
    signed = False

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """Sentences that base draws and, where RL did not write the trace, that RL draws."""
        boundaries = range(len(trace.sentences))
        arms = [OF_BASE] if self.rl == "" else [OF_BASE, OF_RL]
        drawn = [self._draw(arm, k, have.draws) for arm in arms for k in boundaries]
        if not all((draw.arm, draw.boundary) in have.rollouts for draw in drawn):
            return drawn
        every: list[Want[Any]] = [*drawn, Compare(Condition(self.rl), Condition(self.base))]
        every += [self._read(OF_BASE, k, name) for k in boundaries for name in (self.rl, self.base)]
        if self.rl == "":
            return [*every, Read(logprob=True, condition=Condition(self.base))]
        return [*every, *(self._read(OF_RL, k, self.base) for k in boundaries)]

    def _draw(self, arm: str, boundary: int, n: int) -> Draw:
        who = Condition(self.base if arm == OF_BASE else self.rl)
        return Draw(boundary, n, "sentence", arm, condition=who, temperature=1.0, top_p=1.0)

    def _read(self, arm: str, boundary: int, checkpoint: str) -> ReadRollouts:
        condition = Condition(checkpoint)
        return ReadRollouts(arm, boundary, layer=None, sampled=True, condition=condition)

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Nats, or a probability; NaN where nothing was drawn or the weights fail."""
        n = len(trace.sentences)
        weights = [self._weights(evidence.rollouts[OF_BASE, k]) for k in range(n)]
        share = np.array([effective_share(w) for w in weights])
        fails = ~(share >= self.min_ess)
        whole, capped = (
            np.where(fails, np.nan, [mean(np.minimum(w, most)) for w in weights])
            for most in (np.inf, self.cap)
        )
        least = self._least(trace, evidence)
        kl = evidence.found(Compare(Condition(self.rl), Condition(self.base))).kl
        diagnostics = {
            "least": least,
            "mean_weight": whole,
            "capped_weight": capped,
            "effective_share": share,
            "kl": pool(kl.astype(np.float64), trace.sentences, np.sum),
        }
        reason = "the weights of all sentences fail (min_ess)" if fails.all() else ""
        return SentenceScores(
            least if self.mode == "least" else 1 - whole, diagnostics, None, reason
        )

    def _least(self, trace: Trace, evidence: Evidence) -> Float[np.ndarray, " sentences"]:
        """-log p_base of the least likely token of what RL writes, in nats."""
        base = Condition(self.base)
        if self.rl != "":
            every = [evidence.rollouts[OF_RL, k] for k in range(len(trace.sentences))]
            return np.array([-mean(rollouts.least[base]) for rollouts in every])
        logprob = evidence.readings[base].logprob
        assert logprob is not None
        least = -pool(logprob.astype(np.float64), trace.sentences, np.min)
        drawn = [len(evidence.rollouts[OF_BASE, k]) > 0 for k in range(len(least))]
        return np.where(drawn, least, np.nan)

    def _weights(self, rollouts: Rollouts) -> Draws:
        """p_rl / p_base of what each draw says; NaN where it says nothing."""
        return np.exp(rollouts.sampled[Condition(self.rl)] - rollouts.sampled[Condition(self.base)])
