"""`dependency`: sentences that later ones rest on, counted as links."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import PositiveInt

from harness import PLAIN, Condition, Edit, Evidence, Read, SentenceScores, Suppress, Trace
from harness.statistics.pairs import behind, sentence_means

Matrix = Float[np.ndarray, "targets sources"]


@dataclass(frozen=True)
class Dependency:
    """How many later sentences rest on a sentence: its out-degree in a graph of sentences.

    Each sentence has links to the `links` earlier ones that act on it most by a sentence matrix, or
    to all of them where there are no more; score of j = how many later sentences link to it. Higher
    = more of an anchor. Every target has as many links to give, so one that is easily moved counts
    no more than another; but early sentences are there for more of them: read it controlled for
    position.

    matrix  suppression: mean log KL of the target's tokens where the attention to the source is
            taken away from all later tokens; deletion: how much less likely the target's tokens get
            where the source is left out

    The matrix of the scores has 1 for a link and 0 for none. Diagnostics: share (of the later
    sentences that link to it).

    Source: ours; the labels `depends_on` of Thought Anchors, arXiv 2506.19143, counted alike, are
    a detector of runs made of its published traces.
    """

    matrix: Literal["suppression", "deletion"]
    links: PositiveInt

    family = "interpretability"
    signed = False

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Suppress | Read]:
        """Part of a pass with each sentence hidden or left out, where one can act on another."""
        if len(trace.sentences) < 2:
            return []
        if self.matrix == "suppression":
            return [_SUPPRESS]
        return [Read(logprob=True, condition=c) for c in [PLAIN, *_without(trace)]]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """A number of links; NaN for the last sentence and those without tokens."""
        n = len(trace.sentences)
        if n < 2:
            nan = np.full(n, np.nan)
            return SentenceScores(nan, {"share": nan}, reason="fewer than two sentences")
        acting = (
            _hidden(trace, evidence) if self.matrix == "suppression" else _left_out(trace, evidence)
        )
        matrix = linked(acting, self.links)
        known = np.isfinite(matrix)
        targets = known.sum(0)
        degree = np.where(known, matrix, 0.0).sum(0)
        there = np.where(targets > 0, targets, np.nan)
        return SentenceScores(degree + 0 * there, {"share": degree / there}, matrix)


_SUPPRESS = Suppress(own_rows=False, temperature=1.0)


def linked(acting: Matrix, links: int) -> Matrix:
    """1 for the `links` sources that act on a target most, 0 for its others, NaN for none.

    The later one of two that act alike.
    """
    found = np.full(acting.shape, np.nan)
    for row, values in zip(found, acting, strict=True):
        known = np.flatnonzero(np.isfinite(values))
        row[known] = 0
        order = known[np.argsort(values[known], kind="stable")]
        row[order[::-1][:links]] = 1
    return found


def _hidden(trace: Trace, evidence: Evidence) -> Matrix:
    """Mean log KL over the tokens that a mask reaches: all behind a sentence but the first."""
    kl = evidence.found(_SUPPRESS).astype(np.float64)
    touched = behind(trace, skip=1) & np.isfinite(kl)
    logs = np.log(np.where(touched, kl, 0.0) + np.finfo(np.float64).tiny)
    return sentence_means(trace, logs, touched)


def _left_out(trace: Trace, evidence: Evidence) -> Matrix:
    """Mean log p of a target's tokens less that where the source is left out."""
    plain, found = (
        evidence.readings[PLAIN].logprob,
        np.full((len(trace.token_ids), len(trace.sentences)), np.nan),
    )
    assert plain is not None
    for condition in _without(trace):
        values = evidence.readings[condition].logprob
        assert values is not None
        found[:, condition.edits[0].start] = plain.astype(np.float64) - values
    return sentence_means(trace, found, behind(trace) & np.isfinite(found))


def _without(trace: Trace) -> list[Condition]:
    """The trace without each sentence that has tokens."""
    filled = [i for i, s in enumerate(trace.sentences) if s.start < s.stop]
    return [Condition(edits=(Edit(i, i + 1),)) for i in filled]
