"""Forced-answer importance of sentences (Thought Anchors, arXiv 2506.19143)."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import PositiveFloat, PositiveInt

from harness import Draw, Evidence, SentenceScores, Trace
from harness.statistics.distances import Contrast, Distance, generator, headroom, sweep

ARM = "forced"


@dataclass(frozen=True)
class ForcedAnswer:
    """How far a sentence moves the answer the model gives if its reasoning stops right there.

    D between the answers forced before the sentence and those forced after it. Higher = more of an
    anchor; signed for `accuracy`, where positive = the sentence helps.

    Source: Bogdan et al., Thought Anchors, arXiv 2506.19143 (forced answers).
    """

    distance: Distance
    alpha: PositiveFloat
    subtract_floor: bool
    floor_draws: PositiveInt

    @property
    def family(self) -> str:
        """The literature it comes from."""
        return "interpretability"

    @property
    def signed(self) -> bool:
        """Only a change of accuracy has a direction."""
        return self.distance == "accuracy"

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Draw]:
        """Answers forced at every boundary."""
        boundaries = range(len(trace.sentences) + 1)
        return [Draw(k, have.draws, "answer", ARM, have.force) for k in boundaries]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """D of each sentence; NaN where either boundary has no rollouts.

        Diagnostics beside those of the contrast: headroom (entropy in nats of the answers forced
        before the sentence).
        """
        rollouts = sweep(evidence, ARM, len(trace.sentences) + 1)
        contrast = Contrast(self.distance, self.alpha, self.subtract_floor, self.floor_draws)
        found = contrast.outcomes(rollouts)
        every = found.count(found.column >= 0)
        rng = generator(f"{trace.id} {ARM}", rollouts)
        scored = contrast.score(every[:-1], every[1:], rng)
        extra = {"headroom": headroom(rollouts)[:-1]}
        return SentenceScores(scored.score, {**scored.diagnostics, **extra})
