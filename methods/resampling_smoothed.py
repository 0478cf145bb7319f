"""`resampling_smoothed`: resampling importance, if most sentences change no answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from harness import Draw, Evidence, SentenceScores, Trace
from harness.statistics.changes import smoothed
from harness.statistics.distances import answers, entropy, sweep, total_variation

ARM = "resample"  # the rollouts of `resampling`
Share = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True)
class ResamplingSmoothed:
    """How far a sentence moves the answers, by change-points along all boundaries of the trace.

    The answers of the rollouts from before a sentence and behind it are the same unless it changes
    them: all ways of cutting the trace into stretches of one distribution count by how well they
    explain the rollouts at all boundaries, at each of the `rates` (the share of sentences that
    change something) and with a Dirichlet prior of mass `alpha`. Score: the total variation of the
    posterior means before and behind, in [0, 1]; higher = more of an anchor. Diagnostics: change,
    P(the sentence changes the answers), and headroom (nats), of the smoothed answers before it.

    It needs fewer rollouts than `resampling` and is biased: small changes are drawn to 0, and the
    answers of a stretch to each other. Halves of the draws agree by what is assumed and say nothing
    of the noise: there are none, hence no ceiling and no verdict that rests on one.

    Source: change points along tokens, Bigelow et al., Forking Paths, arXiv 2412.07961; here along
    sentences, by Barry and Hartigan's product partitions.
    """

    rates: Annotated[tuple[Share, ...], Field(min_length=1)]
    alpha: PositiveFloat
    until: Literal["end", "answer"]

    family = "interpretability"
    signed = False
    biased = True

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Draw]:
        """The rollouts of `resampling`."""
        return [Draw(k, have.draws, self.until, ARM) for k in range(len(trace.sentences) + 1)]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """A total variation; NaN where a boundary has no rollouts."""
        rollouts = sweep(evidence, ARM, len(trace.sentences) + 1)
        # Where boundaries share rollouts, each is evidence of the one that it was drawn at alone.
        fresh = [r.take(~np.isin(r.draw, list(r.passing))) for r in rollouts]
        found = answers(fresh)
        means = smoothed(found.count(found.column >= 0), self.rates, self.alpha)
        drawn = np.array([len(each) > 0 for each in rollouts])
        there = drawn[:-1] & drawn[1:]
        tv = total_variation(means.p[:-1], means.p[1:])
        scores = {"score": tv, "change": means.change, "headroom": entropy(means.p[:-1])}
        known = {name: np.where(there, values, np.nan) for name, values in scores.items()}
        return SentenceScores(known.pop("score"), known)
