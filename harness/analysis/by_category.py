"""How much of a method's ranking its sentences' categories alone would tell."""

import polars as pl


def by_category(scores: pl.DataFrame, sentences: pl.DataFrame) -> float | None:
    """Spearman of one method's scores with the mean score of the sentence's category.

    The mean is over the sentences of all other problems. Within a trace, averaged over the traces
    of a problem, then over problems; null where no trace has both vary. `scores` has problem_id,
    trace_id, sentence and score (NaN = undefined), `sentences` trace_id, sentence and category.
    """
    known = scores.filter(pl.col("score").is_not_nan()).join(
        sentences.select("trace_id", "sentence", "category").drop_nulls("category"),
        on=["trace_id", "sentence"],
    )
    here = ["category", "problem_id"]
    others = pl.col("score").sum().over("category") - pl.col("score").sum().over(here)
    count = pl.len().over("category") - pl.len().over(here)
    told = known.with_columns(told=pl.when(count > 0).then(others / count)).drop_nulls("told")
    within = pl.corr("score", "told", method="spearman").fill_nan(None)
    by_trace = told.group_by("problem_id", "trace_id").agg(value=within)
    by_problem = by_trace.group_by("problem_id").agg(pl.col("value").mean())
    return by_problem.select(pl.col("value").mean()).item()
