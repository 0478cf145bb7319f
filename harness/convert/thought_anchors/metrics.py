"""The published importances as scores of the harness: one direction, undefined where they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from harness.convert.thought_anchors.layout import Chunk, Published, Step
from harness.core import Evidence, SentenceScores, Trace

Undefined = Literal["zero", "nan"]


@dataclass(frozen=True)
class Metric:
    """A number of each chunk; `counterfactual` ones are published as 0 where undefined."""

    key: str
    sign: int
    signed: bool
    counterfactual: bool


# The published counterfactual accuracy is without − with the sentence, the others with − without.
METRICS = {
    "counterfactual_kl": Metric("counterfactual_importance_kl", 1, False, True),
    "counterfactual_accuracy": Metric("counterfactual_importance_accuracy", -1, True, True),
    "resampling_kl": Metric("resampling_importance_kl", 1, False, False),
    "resampling_accuracy": Metric("resampling_importance_accuracy", 1, True, False),
    "forced_kl": Metric("forced_importance_kl", 1, False, False),
    "forced_accuracy": Metric("forced_importance_accuracy", 1, True, False),
    "dissimilar_fraction": Metric("different_trajectories_fraction", 1, False, False),
}
SUPPRESSION = "suppression"
RESAMPLED = "sentence_resampling"
DEPENDS = "depends_on"
FAMILY = "interpretability"


@dataclass(frozen=True)
class Imported:
    """A detector whose scores are known, by trace id."""

    scores: Mapping[str, SentenceScores]
    signed: bool

    @property
    def family(self) -> str:
        """The literature it comes from."""
        return FAMILY

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """What was published of the trace."""
        return self.scores[trace.id]


def imported_detectors(found: Mapping[str, Published], undefined: Undefined) -> dict[str, Imported]:
    """The published metrics as detectors, by name; `found` by trace id.

    A positive accuracy says that the sentence helps: P(correct) with it minus without it.
    """
    detectors = {
        name: Imported(
            {t: metric_scores(p.chunks, m, undefined) for t, p in found.items()}, m.signed
        )
        for name, m in METRICS.items()
    }
    files = {SUPPRESSION: "step_importance_supp.json", RESAMPLED: "step_importance.json"}
    for name, file in files.items():
        steps = {t: p.steps if name == SUPPRESSION else p.resampled for t, p in found.items()}
        columns = {t: acting(steps[t], len(p.chunks), file) for t, p in found.items()}
        if name == SUPPRESSION or any(steps.values()):
            detectors[name] = Imported(columns, signed=False)
    if any(chunk.depends_on for p in found.values() for chunk in p.chunks):
        named = {t: depended_on(p.chunks) for t, p in found.items()}
        detectors[DEPENDS] = Imported(named, signed=False)
    return detectors


def metric_scores(chunks: Sequence[Chunk], metric: Metric, undefined: Undefined) -> SentenceScores:
    """One metric of a trace.

    No rollout differs from a sentence whose dissimilar share is 0: what would have come without it
    is unknown, and the published 0 is none.
    """
    values = metric.sign * _column(chunks, metric.key)
    if metric.counterfactual and undefined == "nan":
        values[undefined_counterfactual(chunks)] = np.nan
    return SentenceScores(values + 0.0, {"p_correct": _column(chunks, "accuracy")})


def undefined_counterfactual(chunks: Sequence[Chunk]) -> np.ndarray:
    """Where the counterfactual importances are undefined."""
    return _column(chunks, "different_trajectories_fraction") == 0


def depended_on(chunks: Sequence[Chunk]) -> SentenceScores:
    """How many later sentences rest on a sentence, as labelled; which ones, as a matrix of 0 and 1.

    NaN where a trace was not labelled so; what is named that is no earlier chunk does not count.
    """
    n = len(chunks)
    if all(chunk.depends_on is None for chunk in chunks):
        return SentenceScores(np.full(n, np.nan), reason="no depends_on")
    matrix = np.where(np.tri(n, k=-1) > 0, 0.0, np.nan)
    for target, chunk in enumerate(chunks):
        named = {int(one) for one in chunk.depends_on or () if str(one).isdecimal()}
        matrix[target, [source for source in named if source < target]] = 1.0
    return SentenceScores(np.nansum(matrix, axis=0), matrix=matrix)


def right_or_wrong(chunks: Sequence[Chunk]) -> Float[np.ndarray, " sentences"]:
    """Entropy in nats of whether the rollouts that resample a sentence come out right."""
    p = _column(chunks, "accuracy")
    shares = np.stack([p, 1 - p])
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return np.abs((shares * logs).sum(axis=0))


def acting(steps: Sequence[Step] | None, n: int, file: str) -> SentenceScores:
    """Column means of a published matrix; the matrix beside them. Rows of suppression are centred.

    The last sentence acts on none and is NaN, and so is every sentence of a trace without matrix.
    """
    if steps is None:
        return SentenceScores(np.full(n, np.nan), reason=f"no {file}")
    matrix = np.full((n, n), np.nan)
    for step in steps:
        for impact in step.target_impacts:
            matrix[impact.target_chunk_idx, step.source_chunk_idx] = impact.importance_score
    known = np.isfinite(matrix)
    total, count = np.where(known, matrix, 0).sum(axis=0), known.sum(axis=0)
    return SentenceScores(total / np.where(count, count, np.nan), matrix=matrix)


def _column(chunks: Sequence[Chunk], key: str) -> Float[np.ndarray, " sentences"]:
    """NaN where it was not published."""
    return np.array([getattr(chunk, key) for chunk in chunks], dtype=np.float64)
