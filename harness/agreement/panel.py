"""The scores of one model laid flat over the sentences of its traces, after they were checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from harness.types import UserError

SENTENCE = ["trace_id", "sentence"]


@dataclass(frozen=True, eq=False)
class Panel:
    """One vector a method and a covariate; `trace` and `problem` are indices, NaN = undefined."""

    model: str
    problems: tuple[str, ...]
    problem: Int[np.ndarray, " traces"]
    trace: Int[np.ndarray, " sentences"]
    scores: Mapping[str, Float[np.ndarray, " sentences"]]
    covariates: Mapping[str, Float[np.ndarray, " sentences"]]


def panels(scores: pl.DataFrame, covariates: pl.DataFrame) -> list[Panel]:
    """One panel a model; every method has its vector in each, all NaN where it has no scores.

    Raises UserError naming method and trace: infinite, given twice, or of an unknown sentence.
    """
    _check(scores, covariates)
    methods = scores["method"].unique(maintain_order=True).to_list()
    parts = scores.partition_by("model", maintain_order=True)
    return [_panel(part, covariates, methods) for part in parts]


def _panel(scores: pl.DataFrame, covariates: pl.DataFrame, methods: Sequence[str]) -> Panel:
    traces = scores.select("problem_id", "trace_id").unique().sort("problem_id", "trace_id")
    problems = traces["problem_id"].unique(maintain_order=True)
    traces = traces.with_row_index("trace").join(
        problems.to_frame().with_row_index("problem"), on="problem_id", maintain_order="left"
    )
    cells = covariates.select(SENTENCE).unique().join(traces, on="trace_id")
    cells = cells.sort("trace", "sentence").with_row_index("cell")
    names = covariates["method"].unique(maintain_order=True).to_list()
    return Panel(
        model=scores["model"][0],
        problems=tuple(problems),
        problem=traces["problem"].cast(pl.Int64).to_numpy(),
        trace=cells["trace"].cast(pl.Int64).to_numpy(),
        scores=_vectors(scores, cells, methods),
        covariates=_vectors(covariates, cells, names),
    )


def _vectors(
    frame: pl.DataFrame, cells: pl.DataFrame, names: Sequence[str]
) -> dict[str, Float[np.ndarray, " sentences"]]:
    placed = frame.join(cells.select(*SENTENCE, "cell"), on=SENTENCE)
    vectors = {name: np.full(len(cells), np.nan) for name in names}
    for (name,), part in placed.group_by("method"):
        score = part["score"].cast(pl.Float64).fill_null(np.nan)
        vectors[str(name)][part["cell"].to_numpy()] = score.to_numpy()
    return vectors


def _check(scores: pl.DataFrame, covariates: pl.DataFrame) -> None:
    key = ["model", "method", *SENTENCE]
    problems = pl.col("problem_id").n_unique().over("model", "trace_id")
    _refuse(scores.filter(pl.col("score").is_infinite()), "is infinite; undefined is NaN")
    _refuse(scores.filter(pl.struct(key).is_duplicated()), "is given twice; keep one")
    _refuse(scores.filter(problems > 1), "belongs to several problems; a trace has one")
    unknown = scores.join(covariates, on=SENTENCE, how="anti", maintain_order="left")
    _refuse(unknown, "is not in the run; score its own traces and sentences only")


def _refuse(rows: pl.DataFrame, why: str) -> None:
    for row in rows.head(1).iter_rows(named=True):
        where = f"trace {row['trace_id']}, sentence {row['sentence']}"
        raise UserError(f"scores of {row['method']}: {where} {why}")
