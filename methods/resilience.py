"""Resilience of sentences, and importance once their content is gone (arXiv 2510.27484)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import PositiveFloat, PositiveInt

from harness import Cut, Draw, Embed, Evidence, Rollouts, Sentences, SentenceScores, Trace
from harness.statistics.distances import Contrast, Distance, generator, headroom, sweep

ARM = "resample"


@dataclass(frozen=True)
class Lineage:
    """What became of a rollout: where it was cut last, and whether the content is there still."""

    end: Cut
    back: bool


@dataclass(frozen=True)
class Resilience:
    """How often a sentence must be drawn anew until its content stays away.

    A lineage is a rollout from the boundary before sentence i. Wherever it says something alike,
    cosine to sentence i at least `threshold`, from its first sentence on, it is cut before that and
    drawn on from there, at most `max_rounds` times. The first `lineages` rollouts are followed.

    `rounds`: mean number of cuts, in [0, max_rounds]. A lineage that is not rid of the content by
    then counts max_rounds: the mean is unbiased for E[min(cuts needed, max_rounds)], and `censored`
    is the share of such lineages. `counterfactual` (counterfactual++): D between the answers of the
    lineages that the content stays away from, undefined if fewer than `min_absent`, and those of
    the rollouts that keep the sentence. Higher = more of an anchor; signed for `accuracy`, where
    positive = the content helps.

    Source: Macar et al., Thought Branches, arXiv 2510.27484.
    """

    measure: Literal["rounds", "counterfactual"]
    max_rounds: PositiveInt
    lineages: PositiveInt
    threshold: float
    embedder: str
    min_absent: PositiveInt
    distance: Distance
    alpha: PositiveFloat
    subtract_floor: bool
    floor_draws: PositiveInt
    until: Literal["end", "answer"]

    adaptive = True

    @property
    def family(self) -> str:
        """The literature it comes from."""
        return "interpretability"

    @property
    def signed(self) -> bool:
        """Only a change of accuracy has a direction."""
        return self.measure == "counterfactual" and self.distance == "accuracy"

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Draw | Sentences | Embed]:
        """Rollouts, what they say, embeddings of it, and continuations where content returns."""
        n, compared = len(trace.sentences), self.measure == "counterfactual"
        draws = have.draws if compared else min(self.lineages, have.draws)
        drawn = [Draw(k, draws, self.until, ARM) for k in range(n + compared)]
        if not all((ARM, want.boundary) in have.rollouts for want in drawn):
            return drawn
        sentences = [Sentences(ARM, k, self.lineages) for k in range(n)]
        followed = [(ARM, k, cut) for k in range(n) for cut in self.followed(have, k)]
        if not all(place in have.sentences for place in followed):
            return [*drawn, *sentences]
        texts = {text for place in followed for text in have.sentences[place]}
        texts |= {s.text.strip() for s in trace.sentences}
        embed = Embed(tuple(sorted(texts - {""})), self.embedder)
        if not all((self.embedder, text) in have.embeddings for text in embed.texts):
            return [*drawn, *sentences, embed]
        return [*drawn, *sentences, embed, *self.again(trace, have)]

    def again(self, trace: Trace, have: Evidence) -> Iterator[Draw]:
        """Continuations of the lineages from wherever the content returns."""
        for k in range(len(trace.sentences)):
            returns = self.returns(trace, have, k)
            ends = [self.end(draw, returns) for draw in self.roots(have, k)]
            cuts = tuple(
                Cut(end.draw, end.sentences[:made])
                for end in ends
                for made in range(1, len(end.sentences) + 1)
            )
            if cuts:
                yield Draw(k, len(cuts), self.until, ARM, after=cuts)

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Cuts, or D; NaN where rollouts are missing.

        Diagnostics: lineages (followed), returned (share of them that were cut), censored (share
        not rid of the content), headroom (entropy in nats of the answers of the rollouts
        followed); with `counterfactual` also those of the contrast.
        """
        n = len(trace.sentences)
        made = [self.lineage(trace, evidence, k) for k in range(n)]
        cuts = [[len(lineage.end.sentences) for lineage in every] for every in made]
        roots = [r.take(r.draw < self.lineages) for r in sweep(evidence, ARM, n)]
        diagnostics = {
            "lineages": np.array([len(every) for every in made], dtype=np.float64),
            "returned": _means([[cut > 0 for cut in every] for every in cuts]),
            "censored": _means([[lineage.back for lineage in every] for every in made]),
            "headroom": headroom(roots),
        }
        if self.measure == "rounds":
            return SentenceScores(_means(cuts), diagnostics)
        compared = self.compared(trace, evidence, made)
        return SentenceScores(compared.score, {**compared.diagnostics, **diagnostics})

    def compared(
        self, trace: Trace, evidence: Evidence, made: Sequence[Sequence[Lineage]]
    ) -> SentenceScores:
        """D between the lineages without the content and the rollouts that keep the sentence."""
        n = len(made)
        gone = [self.gone(evidence, k, every) for k, every in enumerate(made)]
        arms = [*gone, *sweep(evidence, ARM, n + 1)[1:]]
        contrast = Contrast(self.distance, self.alpha, self.subtract_floor, self.floor_draws)
        found = contrast.outcomes(arms)
        counts = found.count(found.column >= 0)
        rng = generator(f"{trace.id} {ARM} resilience", arms)
        scored = contrast.score(counts[:n], counts[n:], rng)
        few = counts[:n].sum(axis=-1) < self.min_absent
        return SentenceScores(np.where(few, np.nan, scored.score), scored.diagnostics)

    def lineage(self, trace: Trace, evidence: Evidence, boundary: int) -> list[Lineage]:
        """The lineages at a boundary that have been followed to their end."""
        returns = self.returns(trace, evidence, boundary)
        ends = [self.end(draw, returns) for draw in self.roots(evidence, boundary)]
        known = [end for end in ends if (ARM, boundary, end) in evidence.sentences]
        return [Lineage(end, end in returns) for end in known]

    def end(self, draw: int, returns: Mapping[Cut, int]) -> Cut:
        """Where a rollout is to be cut last, as far as it is known."""
        cut = Cut(draw)
        while cut in returns and len(cut.sentences) < self.max_rounds:
            cut = Cut(draw, (*cut.sentences, returns[cut]))
        return cut

    def returns(self, trace: Trace, have: Evidence, boundary: int) -> dict[Cut, int]:
        """The first sentence alike to the one after a boundary, in what has any."""
        text = trace.sentences[boundary].text.strip()
        places = [(cut, (ARM, boundary, cut)) for cut in self.followed(have, boundary)]
        texts = {cut: have.sentences[place] for cut, place in places if place in have.sentences}
        distinct = sorted({one for every in texts.values() for one in every} - {""})
        if not text or not distinct:
            return {}
        vectors = np.stack([have.embeddings[self.embedder, one] for one in distinct])
        cosine = vectors @ have.embeddings[self.embedder, text]
        alike = {one for one, c in zip(distinct, cosine, strict=True) if c >= self.threshold}
        first = {
            cut: [i for i, one in enumerate(every) if one in alike] for cut, every in texts.items()
        }
        return {cut: found[0] for cut, found in first.items() if found}

    def roots(self, have: Evidence, boundary: int) -> list[int]:
        """The draws of the rollouts that are followed."""
        found = have.rollouts.get((ARM, boundary))
        return [draw for draw in found.draw.tolist() if draw < self.lineages] if found else []

    def followed(self, have: Evidence, boundary: int) -> list[Cut]:
        """These rollouts, and what continues them so far."""
        more = have.continued.get((ARM, boundary))
        cuts = [cut for cut in more.cuts if cut.draw < self.lineages] if more else []
        return [*map(Cut, self.roots(have, boundary)), *cuts]

    def gone(self, evidence: Evidence, boundary: int, made: Sequence[Lineage]) -> Rollouts:
        """The last continuations of the lineages that the content stays away from."""
        held = (evidence.rollouts, evidence.continued)
        every = [rollouts[ARM, boundary] for rollouts in held if (ARM, boundary) in rollouts]
        row: dict[Cut, tuple[Rollouts, int]] = {}
        for rollouts in every:
            cuts = rollouts.cuts or map(Cut, rollouts.draw.tolist())
            row |= {cut: (rollouts, i) for i, cut in enumerate(cuts)}
        rows = [row[lineage.end] for lineage in made if not lineage.back]
        return Rollouts(
            np.array([r.draw[i] for r, i in rows], dtype=np.int64),
            tuple(r.answer[i] for r, i in rows),
            np.array([r.correct[i] for r, i in rows], dtype=np.bool_),
            tuple(r.first_sentence[i] for r, i in rows),
        )


def _means(values: Sequence[Sequence[int]]) -> np.ndarray:
    """The mean of each list, NaN of an empty one."""
    return np.array([np.mean(each) if each else np.nan for each in values], dtype=np.float64)
