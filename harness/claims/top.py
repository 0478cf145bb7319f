"""The sentences that methods put at the top of each trace."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from harness.analysis.enrichment import top
from harness.claims.claim import Frames

KEY = ["model", "problem_id", "trace_id", "sentence"]


def placed(scores: pl.DataFrame, methods: Sequence[str], frames: Frames) -> pl.DataFrame:
    """`scores` of these methods with `top`, the probability of being among a trace's highest.

    As many as the statistic topk takes; ties at the edge share the places that are left. The size
    of signed scores counts. Traces whose scores are all equal rank nothing and are left out.
    """
    found = [scores.clear().with_columns(top=pl.lit(None, pl.Float64))]
    for method in methods:
        part = scores.filter(pl.col("method") == method).drop_nulls("score").sort(KEY)
        trace = part.select(pl.struct(KEY[:3]).rle_id()).to_series().cast(pl.Int64).to_numpy()
        score = part["score"].to_numpy()
        score = np.abs(score) if method in frames.signed else score
        found.append(part.with_columns(top=top(score, trace, frames.conf)))
    return pl.concat(found).fill_nan(None).drop_nulls("top")
