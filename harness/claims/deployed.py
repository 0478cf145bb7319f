"""Claims that what one checkpoint does was in the reach of another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from harness.agreement.inference import estimate
from harness.claims.claim import Frames, Part, known, lacking

TRACE = ["model", "problem_id", "trace_id", "sentence"]


@dataclass(frozen=True)
class Column:
    """What a method left of each sentence under a name; `score` is the score itself."""

    method: str
    column: str


@dataclass(frozen=True)
class Deployed:
    """Mean importance weight of base's sentences, weighted by how far RL moved the model there.

    `weight` is E_base[w] of a sentence, w = p_RL / p_base of sentences that base draws, capped draw
    by draw: 1 where base makes all that RL makes, near 0 where RL says what base never does.
    `moved` is KL(RL || base) summed over the tokens of the sentence. The mean runs over all
    sentences that have both and is weighted by `moved`, so that where RL moves nothing counts for
    nothing; problems are drawn for its interval. A weight that is undefined takes no part.
    """

    weight: Column
    moved: Column

    @property
    def unit(self) -> str:
        """A share of probability."""
        return "E_base[w], weighted by KL(RL || base)"

    def parts(self, frames: Frames) -> Sequence[Part]:
        """One part."""
        if missing := lacking((self.weight.method, self.moved.method), frames):
            return [Part("", missing=missing)]
        for want in (self.weight, self.moved):
            if want.column not in frames.diagnostics[want.method].collect_schema().names():
                return [Part("", missing=f"{want.method} left no {want.column}: run it again")]
        both = self._both(frames)
        if both.is_empty():
            return [Part("", reason=f"no sentence has a {self.weight.column} and moves")]
        sums = both.group_by("model", "problem_id").agg(
            weighted=(pl.col("weight") * pl.col("moved")).sum(), moved=pl.col("moved").sum()
        )
        sums = sums.sort("model", "problem_id")
        parts = sums.select("weighted", "moved").to_numpy().T[:, None, :].astype(float)
        value, ends = estimate(parts, _ratio, [frames.conf.confidence], frames.conf)
        low, high = known((float(ends[0, 0, 0]), float(ends[0, 0, 1])))
        return [Part("", float(value[0]), low, high, len(sums))]

    def _both(self, frames: Frames) -> pl.DataFrame:
        """Weight and movement of every sentence that has both."""
        of = frames.scores.filter(method=self.weight.method).select(*TRACE)
        for name, want in (("weight", self.weight), ("moved", self.moved)):
            found = frames.diagnostics[want.method].select(
                "trace_id", "sentence", pl.col(want.column).fill_nan(None).alias(name)
            )
            of = of.join(found.collect(), on=["trace_id", "sentence"])
        # rounding may leave a divergence a hair below 0
        return of.drop_nulls().with_columns(pl.col("moved").clip(0)).filter(pl.col("moved") > 0)


def _ratio(parts: np.ndarray) -> np.ndarray:
    return parts[0] / parts[1]
