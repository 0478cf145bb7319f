"""How well a matrix of sentences finds which of them rest on which, where that is known."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from harness.agreement import Agreement
from harness.agreement.inference import interval
from harness.analysis.planted import Selftest, auroc, bounded, measured
from harness.store import schema
from harness.store.files import rows

MEASURE = "edges"
_PAIR = ["trace_id", "source", "target"]


def found_edges(
    matrices: Mapping[str, pl.DataFrame],
    edges: pl.DataFrame,
    problems: pl.DataFrame,
    conf: Selftest,
    statistics: Agreement,
) -> pl.DataFrame:
    """The measure `edges` of each method that has a matrix, as rows of schema.SELFTEST.

    AUROC within a trace of the pairs (source, target) that are edges of any kind against the other
    pairs that the matrix speaks of, averaged over the traces of a problem and over problems.
    `matrices` have the columns of schema.MATRICES, `problems` trace_id and problem_id. Traces
    without edges are left out.
    """
    known = edges.select(_PAIR).unique().with_columns(edge=True)
    there = problems.filter(pl.col("trace_id").is_in(edges["trace_id"].unique().implode()))
    found: list[dict[str, object]] = []
    for method, matrix in matrices.items():
        values = _by_problem(matrix.join(there, on="trace_id"), known)
        mean = float(values.mean()) if len(values) else None
        row = measured(method, MEASURE, mean, interval(values, statistics))
        found.append(bounded(row | {"n_problems": len(values)}, conf))
    return rows(found, schema.SELFTEST).fill_nan(None)


def _by_problem(matrix: pl.DataFrame, known: pl.DataFrame) -> np.ndarray:
    """One value a problem that has any."""
    pairs = matrix.filter(pl.col("value").is_finite()).join(known, on=_PAIR, how="left")
    pairs = pairs.with_columns(pl.col("edge").fill_null(value=False))
    values = [
        (problem, auroc(part["value"].to_numpy(), part["edge"].to_numpy()))
        for (problem, _), part in pairs.group_by("problem_id", "trace_id", maintain_order=True)
    ]
    types = {"problem_id": pl.String, "auroc": pl.Float64}
    frame = pl.DataFrame(values, schema=types, orient="row").fill_nan(None).drop_nulls()
    means = frame.group_by("problem_id", maintain_order=True).agg(pl.col("auroc").mean())
    return means["auroc"].to_numpy()
