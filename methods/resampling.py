"""Resampling importance of sentences (Thought Anchors, arXiv 2506.19143)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from pydantic import PositiveFloat, PositiveInt

from harness import Draw, Embed, Evidence, Rollouts, SentenceScores, Trace
from harness.statistics.distances import (
    Contrast,
    Counts,
    Distance,
    Values,
    generator,
    headroom,
    padded,
    sweep,
)

ARM = "resample"


@dataclass(frozen=True)
class Resampling:
    """How far the answers move if the model writes something else in the place of a sentence.

    R_i are the rollouts that draw sentence i anew, K_i those that keep it, D_i those of R_i whose
    first sentence differs in meaning: cosine to sentence i below `threshold`, or below the median
    over the trace. Counterfactual importance is D(D_i, K_i), with `pool_similar`
    D(D_i, K_i + (R_i - D_i)); resampling importance is D(R_i, K_i). Higher = more of an anchor;
    signed for `accuracy`, where positive = the sentence helps.

    Source: Bogdan et al., Thought Anchors, arXiv 2506.19143 (counterfactual importance).
    """

    importance: Literal["counterfactual", "resampling"]
    distance: Distance
    threshold: float | Literal["median"]
    embedder: str
    pool_similar: bool
    min_dissimilar: PositiveInt
    undefined: Literal["nan", "zero"]
    alpha: PositiveFloat
    subtract_floor: bool
    floor_draws: PositiveInt
    until: Literal["end", "answer"]

    @property
    def family(self) -> str:
        """The literature it comes from."""
        return "interpretability"

    @property
    def signed(self) -> bool:
        """Only a change of accuracy has a direction."""
        return self.distance == "accuracy"

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Draw | Embed]:
        """Rollouts from every boundary, then embeddings of their first sentences."""
        boundaries = range(len(trace.sentences) + 1)
        draws = [Draw(k, have.draws, self.until, ARM) for k in boundaries]
        gathered = all((ARM, k) in have.rollouts for k in boundaries)
        if self.importance == "resampling" or not gathered:
            return draws
        texts = {s.text.strip() for s in trace.sentences}
        for rollouts in sweep(have, ARM, len(trace.sentences)):
            texts |= {text.strip() for text in rollouts.first_sentence}
        return [*draws, Embed(tuple(sorted(texts - {""})), self.embedder)]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """D of each sentence; NaN where rollouts are missing or too few of them are dissimilar.

        Diagnostics beside those of the contrast: headroom (entropy in nats of the answers of R_i)
        and dissimilar (share of R_i; NaN where nobody looked).
        """
        rollouts = sweep(evidence, ARM, len(trace.sentences) + 1)
        contrast = Contrast(self.distance, self.alpha, self.subtract_floor, self.floor_draws)
        found = contrast.outcomes(rollouts)
        drawn = apart = found.column >= 0
        redrawn, kept = found.count(drawn)[:-1], found.count(drawn)[1:]
        if self.importance == "counterfactual":
            apart = drawn & self.differs(trace, rollouts, evidence)
        without, held = found.count(apart)[:-1], kept
        if self.pool_similar:  # but for those that are among the kept already
            again = found.count(passing(rollouts, drawn & ~apart))[1:]
            held = kept + redrawn - without - again
        both = found.count(passing(rollouts, apart))[1:]
        rng = generator(f"{trace.id} {ARM}", rollouts)
        scored = contrast.score(without, held, rng, both)
        share = self.share(without, redrawn)
        return SentenceScores(
            np.where(self.missing(redrawn, kept), np.nan, self.judged(scored.score, without)),
            {**scored.diagnostics, "headroom": headroom(rollouts)[:-1], "dissimilar": share},
        )

    def missing(self, redrawn: Counts, kept: Counts) -> Bool[np.ndarray, " sentences"]:
        """Where a boundary has no rollouts: undefined whatever `undefined` says."""
        return (redrawn.sum(axis=-1) == 0) | (kept.sum(axis=-1) == 0)

    def judged(self, score: Values, without: Counts) -> Float[np.ndarray, " sentences"]:
        """The score where enough rollouts are dissimilar, NaN or 0 elsewhere."""
        if self.importance == "resampling":
            return score
        few = without.sum(axis=-1) < self.min_dissimilar
        return np.where(few, 0.0 if self.undefined == "zero" else np.nan, score)

    def share(self, without: Counts, redrawn: Counts) -> Float[np.ndarray, " sentences"]:
        """The part of R_i that is dissimilar; NaN where meanings are not compared."""
        if self.importance == "resampling":
            return np.full(len(redrawn), np.nan)
        total = redrawn.sum(axis=-1)
        return without.sum(axis=-1) / np.where(total > 0, total, np.nan)

    def differs(
        self, trace: Trace, rollouts: Sequence[Rollouts], evidence: Evidence
    ) -> Bool[np.ndarray, "boundaries draws"]:
        """Which rollouts begin with another meaning than the sentence; empty beginnings do.

        The last boundary has no sentence after it, all its rollouts pass for different.
        """
        pairs = zip((s.text for s in trace.sentences), rollouts[:-1], strict=True)
        rows = [self.cosines(text.strip(), r, evidence) for text, r in pairs]
        cosine = padded([*rows, np.full(len(rollouts[-1]), np.nan)], np.nan)
        known = cosine[~np.isnan(cosine)]
        threshold = self.threshold
        if threshold == "median":
            threshold = float(np.median(known)) if len(known) else np.nan
        return ~(cosine >= threshold)

    def cosines(
        self, text: str, rollouts: Rollouts, evidence: Evidence
    ) -> Float[np.ndarray, " draws"]:
        """Similarity of each rollout's first sentence to the text; NaN where either is empty."""
        begun = [first.strip() for first in rollouts.first_sentence]
        distinct = sorted(set(begun) - {""}) if text else []
        if not distinct:
            return np.full(len(begun), np.nan)
        vectors = np.stack([evidence.embeddings[self.embedder, first] for first in distinct])
        cosine = vectors @ evidence.embeddings[self.embedder, text]
        found = dict(zip(distinct, cosine.tolist(), strict=True))
        return np.array([found.get(first, np.nan) for first in begun])


def passing(
    sweep: Sequence[Rollouts], keep: Bool[np.ndarray, "boundaries draws"]
) -> Bool[np.ndarray, "boundaries draws"]:
    """Which rollouts are the same as one of those to `keep` at the boundary before."""
    rows = [np.zeros(len(sweep[0]), dtype=np.bool_)]
    for before, mask, here in zip(sweep[:-1], keep[:-1], sweep[1:], strict=True):
        kept = set(before.draw[mask[: len(before)]].tolist())
        rows.append(np.isin(here.draw, list(here.passing & kept)))
    return padded(rows, fill=False)
