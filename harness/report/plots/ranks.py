"""Scores of unlike units put on one scale, within a trace."""

import polars as pl

TOP_SHARE = 0.1


def with_ranks(scores: pl.DataFrame) -> pl.DataFrame:
    """Add `rank` in (0, 1), mean 0.5, and `top`, both among the defined scores of a trace.

    rank = (average rank - 0.5) / n, 1 = most of an anchor, null where the score is undefined.
    top: surely among the top k = max(1, round(n / 10)); a tie across the edge marks none.
    """
    of_trace = ["trace_id", "method"]
    score = pl.col("score").fill_nan(None)
    n = score.count().over(of_trace)
    k = (n * TOP_SHARE).round().clip(lower_bound=1)
    return scores.with_columns(
        rank=(score.rank("average").over(of_trace) - 0.5) / n,
        top=(score.rank("max", descending=True).over(of_trace) <= k).fill_null(value=False),
    )
