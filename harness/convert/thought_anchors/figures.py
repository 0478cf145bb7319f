"""The published data in a few numbers, from a converted run that was reported on."""

from pathlib import Path

import numpy as np
import polars as pl

from harness.core import UserError
from harness.store import schema
from harness.store.reading import read_frame

CONVERGED_AFTER = 3  # sentences in a row without any effect: from there on the answer stands
PAIRS = (
    ("counterfactual_kl", "counterfactual_accuracy", "none"),
    ("counterfactual_kl", "resampling_kl", "none"),
    ("counterfactual_kl", "forced_kl", "none"),
    ("counterfactual_kl", "position", "none"),
    ("counterfactual_accuracy", "resampling_accuracy", "none"),
    ("suppression", "position", "none"),
    ("suppression", "counterfactual_kl", "position"),
    ("suppression", "length", "position"),
)
CATEGORIES = (
    ("counterfactual_kl", "plan_generation"),
    ("counterfactual_kl", "fact_retrieval"),
    ("counterfactual_kl", "uncertainty_management"),
    ("counterfactual_kl", "active_computation"),
    ("forced_kl", "active_computation"),
    ("forced_kl", "result_consolidation"),
)


def figures(run: Path) -> dict[str, float]:
    """Spearman correlations and category means by name; NaN where the run lacks them.

    Correlations are within traces, averaged over problems; between a signed and an unsigned metric
    the size counts. Category means are in nats, over the sentences before a trace converges,
    averaged over traces. Raises UserError for a run that was not reported on.
    """
    path = run / "agreement.parquet"
    if not path.is_file():
        raise UserError(f"{run}: has no agreement.parquet; make it with python -m harness.report")
    table = read_frame(path, schema.AGREEMENT).filter(pl.col("statistic") == "spearman")
    found = {_named(*pair): _spearman(table, *pair) for pair in PAIRS}
    return found | _category_means(run)


def _named(a: str, b: str, control: str) -> str:
    return f"{a} ~ {b}" + (f" | {control}" if control != "none" else "")


def _spearman(table: pl.DataFrame, a: str, b: str, control: str) -> float:
    pair = pl.col("a").is_in([a, b]) & pl.col("b").is_in([a, b]) & (pl.col("control") == control)
    values = table.filter(pair)["value"].drop_nulls().to_list()
    return float(values[0]) if len(values) == 1 else np.nan


def _category_means(run: Path) -> dict[str, float]:
    metrics = list(dict.fromkeys(["resampling_kl", *(m for m, _ in CATEGORIES)]))
    columns = ["trace_id", "sentence", "category"]
    sentences = read_frame(run / "sentences.parquet", schema.SENTENCES, columns)
    for name in metrics:
        scores = _scores(run, name).rename({"score": name})
        sentences = sentences.join(scores, on=["trace_id", "sentence"])
    mean = pl.col(metrics).mean()
    by_trace = converged(sentences).group_by("trace_id", "category").agg(mean)
    of = {row["category"]: row for row in by_trace.group_by("category").agg(mean).to_dicts()}
    return {f"mean {m} of {c}": float(of[c][m]) if c in of else np.nan for m, c in CATEGORIES}


def _scores(run: Path, method: str) -> pl.DataFrame:
    path = run / "scores" / f"{method}.parquet"
    if not path.is_file():
        raise UserError(f"{run}: has no scores of {method}; it is no converted thought_anchors")
    return read_frame(path, schema.SCORES, ["trace_id", "sentence", "score"]).fill_nan(None)


def converged(sentences: pl.DataFrame) -> pl.DataFrame:
    """The sentences of each trace before the first `RUN` in a row that move no answer."""
    ordered = sentences.sort("trace_id", "sentence")
    idle = pl.col("resampling_kl") <= 0
    following = [idle.shift(-step).over("trace_id") for step in range(CONVERGED_AFTER)]
    stands = pl.all_horizontal(following).fill_null(False).cum_max().over("trace_id")
    return ordered.filter(~stands)


def table(run: Path) -> str:
    """The figures, a line each."""
    return "\n".join(f"{value:7.3f}  {name}" for name, value in figures(run).items())
