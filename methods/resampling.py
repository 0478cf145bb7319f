"""Resampling importance of sentences (Thought Anchors, arXiv 2506.19143)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from pydantic import PositiveFloat, PositiveInt

from harness import (
    Depart,
    Draw,
    Embed,
    Evidence,
    Rollouts,
    SentenceScores,
    Trace,
    UserError,
)
from harness.statistics.allocation import arms, leaving
from harness.statistics.distances import (
    Contrast,
    Counts,
    Distance,
    Values,
    answers,
    entropy,
    generator,
    headroom,
    padded,
    sweep,
)
from harness.statistics.mixtures import Draws, averaged, contrasted, joined, mixture, sample

ARM = "resample"


@dataclass(frozen=True)
class Resampling:
    """How far the answers move if the model writes something else in the place of a sentence.

    R_i are the rollouts that draw sentence i anew, K_i those that keep it, D_i those of R_i whose
    first sentence differs in meaning: cosine to sentence i below `threshold`, or below the median
    over the trace. Counterfactual importance is D(D_i, K_i), with `pool_similar`
    D(D_i, K_i + (R_i - D_i)); resampling importance is D(R_i, K_i). Higher = more of an anchor;
    signed for `accuracy`, where positive = the sentence helps.

    With estimator `exact` only rollouts that leave the trace's own sentence are drawn. The share p
    of those that would write it token for token is known from the model, so that the answers at a
    boundary are p times those at the next, and 1 - p times those of the rollouts that leave. R_i
    and K_i are such mixtures; D_i is drawn as before, and larger, since every draw may be in it.
    Where the run allots its rollouts (sampling.schedule) there are two halves of equal weight.

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
    estimator: Literal["plain", "exact"]

    def __post_init__(self) -> None:
        if self.estimator == "exact" and self.until != "end":
            raise UserError("until: must be end where the estimator is exact")

    @property
    def family(self) -> str:
        """The literature it comes from."""
        return "interpretability"

    @property
    def signed(self) -> bool:
        """Only a change of accuracy has a direction."""
        return self.distance == "accuracy"

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Depart | Draw | Embed]:
        """Rollouts from every boundary, then embeddings of their first sentences.

        Before rollouts that leave the trace's sentences, how they leave them.
        """
        asked = leaving(trace, have) if self.estimator == "exact" else self.draws(trace, have)
        places = [(want.arm, want.boundary) for want in asked if isinstance(want, Draw)]
        gathered = places and all(place in have.rollouts for place in places)
        if self.importance == "resampling" or not gathered:
            return asked
        texts = {s.text.strip() for s in trace.sentences}
        begun = [have.rollouts[place] for place in places if place[1] < len(trace.sentences)]
        texts |= {text.strip() for rollouts in begun for text in rollouts.first_sentence}
        return [*asked, Embed(tuple(sorted(texts - {""})), self.embedder)]

    def draws(self, trace: Trace, have: Evidence) -> list[Depart | Draw]:
        """As many rollouts at every boundary."""
        return [Draw(k, have.draws, self.until, ARM) for k in range(len(trace.sentences) + 1)]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """D of each sentence; NaN where rollouts are missing or too few of them are dissimilar.

        Diagnostics beside those of the contrast: headroom (entropy in nats of the answers of R_i)
        and dissimilar (share of R_i; NaN where nobody looked).
        """
        if self.estimator == "exact":
            return self.exact(trace, evidence)
        rollouts = sweep(evidence, ARM, len(trace.sentences) + 1)
        contrast = self.contrast
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

    @property
    def contrast(self) -> Contrast:
        """How the outcomes of two sets of rollouts are compared."""
        return Contrast(self.distance, self.alpha, self.subtract_floor, self.floor_draws)

    def exact(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """The same where only rollouts that leave the trace's sentences are drawn.

        Diagnostics have `repeat`, too, the share p of R_i that would write the sentence as it is.
        """
        kinds = arms(evidence)
        rollouts = [r for arm in kinds for r in sweep(evidence, arm, len(trace.sentences) + 1)]
        logprob = evidence.found(Depart(kinds[0], evidence.draws)).logprob
        found, stay = self.contrast.outcomes(rollouts), np.exp(logprob)
        drawn = apart = found.column >= 0
        shared = stay
        if self.importance == "counterfactual":
            apart, shared = drawn & self.differs(trace, rollouts, evidence), np.zeros(len(stay))
        left, without = (np.split(found.count(keep), len(kinds)) for keep in (drawn, apart))
        own = averaged([sample(each[:-1]) for each in without])
        kept = averaged([mixture(each, logprob).behind() for each in left])
        share = self.share_left(without, left, stay)
        if self.pool_similar and self.importance == "counterfactual":
            alike = 1 - stay - share  # those that write the sentence as it stands mean it, too
            pairs = zip(left, without, strict=True)
            similar = averaged([sample((all_ - some)[:-1]) for all_, some in pairs])
            kept = joined(kept, similar, alike / (1 + stay + alike))
        rng = generator(f"{trace.id} {kinds[0]}", rollouts)
        scored = contrasted(self.contrast, own, kept, shared, rng)
        nobody = np.sum(left, axis=0)[:-1].sum(axis=-1) == 0
        missing = np.isnan(kept.number) | (nobody & (stay != 1))
        every = answers(rollouts)
        counts = np.split(every.count(every.column >= 0), len(kinds))
        known = averaged([mixture(each, logprob) for each in counts]).p[:-1]
        return SentenceScores(
            np.where(missing, np.nan, self.judged(scored.score, np.sum(without, axis=0)[:-1])),
            {
                **scored.diagnostics,
                "headroom": entropy(known),
                "dissimilar": share,
                "repeat": stay,
            },
        )

    def share_left(
        self, without: Sequence[Draws], left: Sequence[Draws], stay: Values
    ) -> Float[np.ndarray, " sentences"]:
        """The part of R_i that is dissimilar, of which a part `stay` is the sentence itself.

        The mean over the halves that have draws.
        """
        each = np.array([self.share(a[:-1], b[:-1]) for a, b in zip(without, left, strict=True)])
        known = np.isfinite(each)
        n = known.sum(axis=0)
        share = np.where(known, each, 0.0).sum(axis=0) / np.where(n > 0, n, np.nan)
        if self.importance == "resampling":
            return share
        return np.where(stay == 1, 0.0, (1 - stay) * share)

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

        The last boundary has no sentence after it, all its rollouts pass for different. Of several
        arms the boundaries follow each other.
        """
        texts = [*(s.text.strip() for s in trace.sentences), ""]
        texts *= len(rollouts) // len(texts)
        rows = [self.cosines(*pair, evidence) for pair in zip(texts, rollouts, strict=True)]
        cosine = padded(rows, np.nan)
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
