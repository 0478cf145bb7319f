"""The agreement frame: each pair of methods by each statistic under each control."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from harness import schema
from harness.agreement.controls import design, partial_spearman, takes
from harness.agreement.inference import interval, sign_flip, signs
from harness.agreement.panel import Panel, panels
from harness.agreement.segments import Segments
from harness.agreement.settings import Agreement, Control, Statistic
from harness.agreement.statistics import kendall, spearman, topk

Vector = Float[np.ndarray, " sentences"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """A pair of methods by one statistic under one control: means over the traces of a problem."""

    model: str
    a: str
    b: str
    statistic: Statistic
    control: Control
    problems: tuple[str, ...]
    values: Float[np.ndarray, " problems"]
    n_traces: Int[np.ndarray, " problems"]
    n_sentences: Int[np.ndarray, " problems"]


def agreement(
    scores: pl.DataFrame, covariates: pl.DataFrame, signed: Mapping[str, bool], conf: Agreement
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The frames schema.AGREEMENT and schema.AGREEMENT_BY_PROBLEM, null = undefined.

    `scores`: model, problem_id, trace_id, sentence, method, score (higher = more of an anchor, NaN
    = undefined). `covariates`: trace_id, sentence, method, score of at least position, length,
    lexicon and headroom, as `harness.baselines` gives them; it says which sentences there are.
    A method absent from `signed` is unsigned. `n_sentences` counts those where both methods and the
    covariates are defined, `n_traces` and `n_problems` those with a value.
    Raises UserError for infinite, repeated and unknown scores, naming method and trace.
    """
    found = [c for panel in panels(scores, covariates) for c in _compare(panel, signed, conf)]
    rows = pl.DataFrame([_row(c, conf) for c in found], schema=schema.AGREEMENT)
    dots = pl.concat([pl.DataFrame(schema=schema.AGREEMENT_BY_PROBLEM), *map(_dots, found)])
    return rows.fill_nan(None), dots.fill_nan(None)


def _compare(panel: Panel, signed: Mapping[str, bool], conf: Agreement) -> Iterator[Comparison]:
    designs: dict[Control, np.ndarray] = {c: design(c, panel.covariates) for c in conf.controls}
    for a, b in combinations(panel.scores, 2):
        x, y = panel.scores[a], panel.scores[b]
        if signed.get(a, False) != signed.get(b, False):
            x, y = (np.abs(x), y) if signed.get(a, False) else (x, np.abs(y))
        for statistic, control in product(conf.statistics, conf.controls):
            if control == "none" or statistic == "spearman":
                name = (a, b, statistic, control)
                yield _comparison(panel, name, (x, y, designs[control]), conf)


def _comparison(
    panel: Panel,
    name: tuple[str, str, Statistic, Control],
    vectors: tuple[Vector, Vector, Float[np.ndarray, "sentences columns"]],
    conf: Agreement,
) -> Comparison:
    """One statistic of one pair on the sentences where both and the covariates are defined."""
    both = np.isfinite(np.column_stack(vectors)).all(axis=1)
    x, y, columns = (v[both] for v in vectors)
    traces = Segments.of(panel.trace[both])
    match name[2:]:
        case "spearman", "none":
            values = spearman(x, y, traces)
        case "spearman", control if takes(control, name[:2]):
            values = np.full(len(traces.size), np.nan)
        case "spearman", _:
            values = partial_spearman(x, y, columns, traces, conf)
        case "kendall", _:
            values = kendall(x, y, traces)
        case _:
            values = topk(x, y, traces, conf.top_fraction)
    problem = panel.problem[panel.trace[both][traces.start]]
    return Comparison(
        panel.model, *name, panel.problems, *_by_problem(panel, problem, values, traces)
    )


def _by_problem(
    panel: Panel, problem: Int[np.ndarray, " traces"], values: np.ndarray, traces: Segments
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over the traces that have a value, their number, and the sentences compared."""
    n = len(panel.problems)
    known = np.isfinite(values)
    n_traces = np.bincount(problem[known], minlength=n)
    total = np.bincount(problem[known], values[known], minlength=n)
    n_sentences = np.bincount(problem, traces.size, minlength=n).astype(np.int64)
    return total / np.where(n_traces, n_traces, np.nan), n_traces, n_sentences


def _row(found: Comparison, conf: Agreement) -> dict[str, object]:
    """A row of schema.AGREEMENT; the columns that are not here are null."""
    values = found.values[np.isfinite(found.values)]
    low, high = interval(values, conf)
    enough = len(values) >= conf.min_problems_interval
    tested = enough and found.statistic == "spearman"
    flips = signs(len(found.values), conf.draws, conf.seed)
    return {
        **{k: getattr(found, k) for k in ("model", "a", "b", "statistic", "control")},
        "value": values.mean() if len(values) else None,
        "low": low,
        "high": high,
        "p": sign_flip(found.values, flips) if tested else None,
        "n_traces": int(found.n_traces.sum()),
        "n_problems": len(values),
        "n_sentences": int(found.n_sentences.sum()),
        "verdict": None if enough else "too few problems",
    }


def _dots(found: Comparison) -> pl.DataFrame:
    """Rows of schema.AGREEMENT_BY_PROBLEM of one comparison, problems without value included."""
    names = {k: pl.lit(getattr(found, k)) for k in ("model", "a", "b", "statistic", "control")}
    columns = {
        "problem_id": found.problems,
        "value": found.values,
        "n_traces": found.n_traces,
        "n_sentences": found.n_sentences,
    }
    types = schema.AGREEMENT_BY_PROBLEM
    return (
        pl.DataFrame(columns)
        .with_columns(**names)
        .select(pl.col(k).cast(t) for k, t in types.items())
    )
