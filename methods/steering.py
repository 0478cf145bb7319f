"""`steering`: sentences whose states point the way that those of some kind of sentence do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from pydantic import PositiveInt

from harness import Evidence, Read, SentenceScores, Trace, UserError

Vector = Float[np.ndarray, " width"]
BINS = 4


@dataclass(frozen=True)
class Steering:
    """Projection of a sentence's beginning on the steering vectors of some categories.

    The beginning of a sentence is the mean state, after block `layer`, of the positions from the
    one that predicts its first token on, `tokens` of them. The vector of a category is the mean
    over its sentences of their beginning less the mean of those about as long (in the same quarter
    of lengths), made a unit vector; learnt on the calibration folds. Score: the largest projection
    of the beginning, less the mean of all, on one of the vectors. Higher = more of an anchor. It
    classifies kinds of sentences: methods.parquet says beside it (by_category) how far the category
    alone would rank alike.

    categories   whose vectors count
    least        fewer sentences of a category in the calibration folds: no vector

    Source: Base Models Know How to Reason, Thinking Models Learn When, arXiv 2510.07364 (steering
    vectors of reasoning mechanisms); differences of means in the place of its trained vectors.
    """

    layer: int
    tokens: PositiveInt
    categories: tuple[str, ...]
    least: PositiveInt

    family = "rl"
    signed = False

    def __post_init__(self) -> None:
        if not self.categories:
            raise UserError("steering.categories: name at least one")

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Read]:
        """The states after a block."""
        return [Read(states=(self.layer,))]

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> "Steering":
        """A copy that knows the vectors."""
        begun = [self.beginnings(t, e) for t, e in zip(traces, evidence, strict=True)]
        pairs = [
            pair
            for some, trace in zip(begun, traces, strict=True)
            for pair in zip(some, trace.sentences, strict=True)
        ]
        known = [(state, sentence) for state, sentence in pairs if np.isfinite(state).all()]
        kinds = np.array([s.category or "" for _, s in known])
        counts = {name: int((kinds == name).sum()) for name in self.categories}
        enough = [name for name, n in counts.items() if n >= self.least]
        if not enough:
            return Fitted(**vars(self), mean=np.zeros(0), vectors={}, facts={"sentences": counts})
        states = np.stack([b for b, _ in known])
        lengths = np.array([s.stop - s.start for _, s in known])
        apart = states - matched(states, lengths)
        vectors = {name: unit(apart[kinds == name].mean(0)) for name in enough}
        return Fitted(
            **vars(self), mean=states.mean(0), vectors=vectors, facts={"sentences": counts}
        )

    def beginnings(self, trace: Trace, evidence: Evidence) -> Float[np.ndarray, "sentences width"]:
        """The mean state at the beginning of each sentence; NaN for one without tokens."""
        states = evidence.reading.states[self.layer]
        found = np.full((len(trace.sentences), states.shape[1]), np.nan)
        for i, s in enumerate(trace.sentences):
            if s.stop > s.start:
                found[i] = states[s.start : min(s.stop, s.start + self.tokens)].mean(0)
        return found

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """In the units of the states; NaN before it is fitted."""
        return SentenceScores(np.full(len(trace.sentences), np.nan), reason="not fitted")


@dataclass(frozen=True, eq=False)
class Fitted(Steering):
    """The detector with its vectors, and `facts` about how many sentences they rest on."""

    mean: Vector
    vectors: Mapping[str, Vector]
    facts: Mapping[str, Mapping[str, int]]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """The largest projection, in the units of the states."""
        if not self.vectors:
            reason = f"fewer than {self.least} calibration sentences of every category"
            return SentenceScores(np.full(len(trace.sentences), np.nan), reason=reason)
        apart = self.beginnings(trace, evidence) - self.mean
        return SentenceScores((apart @ np.stack([*self.vectors.values()]).T).max(1))


def matched(
    states: Float[np.ndarray, "sentences width"], lengths: Int[np.ndarray, " sentences"]
) -> Float[np.ndarray, "sentences width"]:
    """For each sentence the mean state of all in its quarter of lengths."""
    edges = np.quantile(lengths, np.arange(1, BINS) / BINS)
    which = np.searchsorted(edges, lengths)
    found = np.empty_like(states)
    for quarter in np.unique(which):
        found[which == quarter] = states[which == quarter].mean(0)
    return found


def unit(vector: Vector) -> Vector:
    """The vector at length 1; one of length 0 as it is."""
    size = float(np.linalg.norm(vector))
    return vector / size if size > 0 else vector
