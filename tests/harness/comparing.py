"""Scores as a run holds them, made by hand."""

from pathlib import Path

import numpy as np
import polars as pl
from omegaconf import OmegaConf

from harness.agreement import Agreed, Agreement, MethodInfo, agreement
from harness.core.config import build

YAML = Path(__file__).parents[2] / "conf" / "agreement" / "default.yaml"
FURTHER = ("length", "lexicon", "headroom")
NOTHING = pl.lit([], dtype=pl.List(pl.Float64))


def load() -> Agreement:
    return build(Agreement, OmegaConf.load(YAML), "agreement")


def trait(family="x", *arms, signed=False) -> MethodInfo:
    return MethodInfo(family, signed, frozenset(arms))


def long(values) -> pl.DataFrame:
    """Scores from {method: {(problem, trace): vector}}, without halves."""
    rows = [
        (trace, i, method, float(v))
        for method, traces in values.items()
        for (_, trace), vector in traces.items()
        for i, v in enumerate(vector)
    ]
    columns = {
        "trace_id": pl.String,
        "sentence": pl.Int32,
        "method": pl.String,
        "score": pl.Float64,
    }
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    return frame.with_columns(half_a=NOTHING, half_b=NOTHING)


def by_method(scores: pl.DataFrame) -> dict[str, pl.LazyFrame]:
    """Long scores as the comparison takes them."""
    parts = scores.group_by("method", maintain_order=True)
    return {str(name): part.drop("method").lazy() for (name,), part in parts}


def traces_of(values, model="m") -> pl.DataFrame:
    """The traces of {method: {(problem, trace): vector}}."""
    found = dict.fromkeys(key for traces in values.values() for key in traces)
    rows = [(trace, problem, model) for problem, trace in found]
    return pl.DataFrame(rows, schema=["trace_id", "problem_id", "model"], orient="row")


def covariates(scores: pl.DataFrame, **given) -> pl.DataFrame:
    """Position as it is; length, lexicon and headroom from `given`, else undefined."""
    cells = scores.select("trace_id", "sentence").unique().sort("trace_id", "sentence")
    place = (pl.col("sentence") + 1) / pl.len().over("trace_id")
    columns = {"position": cells.select(place).to_series()}
    columns |= {k: pl.Series(given.get(k, [np.nan] * len(cells))) for k in FURTHER}
    return pl.concat(
        cells.with_columns(pl.lit(k).alias("method"), v.cast(pl.Float64).alias("score"))
        for k, v in columns.items()
    )


def compare(values, conf, traits=None) -> Agreed:
    scores = long(values)
    return agreement(by_method(scores), traces_of(values), covariates(scores), traits or {}, conf)


def one(rows: pl.DataFrame, **where):
    """The first row with these values, None included."""
    return rows.filter(pl.col(k).eq_missing(pl.lit(v)) for k, v in where.items()).row(0, named=True)
