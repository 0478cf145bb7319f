"""The frames of a run that not every run has, and agreement of any number of methods."""

from pathlib import Path

import numpy as np
import polars as pl

from harness.store import schema
from harness.store.files import slug, write_frame
from tests.harness.synthetic import TEXTS, write_provenance, write_texts

CATEGORIES = ("problem_setup", "plan_generation", "active_computation", "uncertainty_management")
FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.5)
FAMILIES = ("interpretability", "information", "rl")


def agreement_of(
    names: list[str], *, n_problems: int = 24, seed: int = 0, undefined: float = 0.0
) -> pl.DataFrame:
    """Spearman rows of every two names under three controls, a share of them undefined."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=(len(names), 4))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    reliable = rng.uniform(0.5, 1, size=len(names))
    rows = []
    for i, a in enumerate(names):
        for j, b in enumerate(names[:i]):
            true, ceiling = direction[i] @ direction[j], np.sqrt(reliable[i] * reliable[j])
            for control, share in (("none", 1.0), ("position", 0.7), ("all", 0.6)):
                half = rng.uniform(0.03, 0.2)
                value = float(share * ceiling * true) if rng.random() >= undefined else None
                known = value is not None and n_problems >= 10
                rows.append({
                    "model": "toy", "a": b, "b": a, "statistic": "spearman", "control": control,
                    "value": value, "low": value - half if known else None,
                    "high": min(1, value + half) if known else None, "ceiling": ceiling,
                    "n_problems": n_problems if value is not None else 0, "n_traces": n_problems,
                    "n_sentences": 30 * n_problems, "cross_fit": False,
                })  # fmt: skip
    return pl.DataFrame(rows, schema=schema.AGREEMENT)


def methods_of(names: list[str], baselines: int, seed: int = 0) -> pl.DataFrame:
    """The methods file of these names, the last so many baselines, a few without reliability."""
    rng = np.random.default_rng(seed)
    rows = []
    for i, name in enumerate(names):
        last = i >= len(names) - baselines
        whole = None if last or i % 5 == 4 else float(rng.uniform(0.2, 1))
        family = "baseline" if last else FAMILIES[i % len(FAMILIES)]
        less = None if whole is None else whole - 0.3
        row = {"method": name, "family": family, "coverage": 1.0, "seconds": 1.0, "tokens": 0}
        rows.append(row | {"reliability": whole, "reliability_controlled": less})
    more = {"reliability_controlled": pl.Float64}
    return pl.DataFrame(rows, schema=schema.METHODS | more)


def by_k_of(names: list[str], seed: int = 0) -> pl.DataFrame:
    """Overlap beyond chance of every two names, rising with the share taken."""
    rng = np.random.default_rng(seed)
    rows = [
        {"model": "toy", "a": a, "b": b, "fraction": f, "value": v, "low": v - 0.1, "high": v + 0.1}
        for i, b in enumerate(names)
        for a in names[:i]
        for f, v in zip(FRACTIONS, np.sort(rng.uniform(-0.2, 0.8, 5)), strict=True)
    ]
    return pl.DataFrame(rows)


def enrichment_of(names: list[str], seed: int = 0) -> pl.DataFrame:
    """log2 of shares by method and category; the first method picks none of one category."""
    rng = np.random.default_rng(seed)
    rows = []
    for i, name in enumerate(names):
        for category in CATEGORIES:
            value = float(rng.normal())
            rows.append({"model": "toy", "method": name, "category": category, "value": value,
                         "low": value - 0.5, "high": value + 0.4, "n_problems": 12,
                         "n_sentences": 300})  # fmt: skip
        if i == 0:
            rows[-1] |= {"value": -np.inf, "low": None, "high": None}
    return pl.DataFrame(rows, infer_schema_length=None)


def add_peaks(run: Path, method: str, seed: int = 0) -> None:
    """Give a method of a run a value a token, and peaks."""
    rng = np.random.default_rng(seed)
    sentences = pl.read_parquet(run / "sentences.parquet")
    for (trace_id,), part in sentences.group_by("trace_id"):
        n = int(part["stop"].max())
        value = rng.gamma(1.0, size=n)
        columns = {"trace_id": [trace_id] * n, "token": range(n), "value": value, "peak": value > 2}
        frame = pl.DataFrame(columns).cast(schema.METHOD_TOKENS)
        write_frame(run / "tokens" / method / f"{slug(trace_id)}.parquet", frame)


def add_matrix(run: Path, method: str, trace_id: str, values: np.ndarray) -> None:
    """Keep the strictly lower triangle of a matrix of a trace, and edges (i, i - 2)."""
    n = len(values)
    rows = [
        {"trace_id": trace_id, "target": i, "source": j, "value": values[i, j]}
        for i in range(n)
        for j in range(i)
    ]
    folder = run / "matrices" / method
    folder.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame(rows, schema=schema.MATRICES)
    frame.write_parquet(folder / f"{slug(trace_id)}.parquet")
    edges = [
        {"trace_id": trace_id, "source": i - 2, "target": i, "kind": kind}
        for i in range(2, n)
        for kind in ("operand", "result")
    ]
    pl.DataFrame(edges, schema=schema.EDGES).write_parquet(run / "matrices" / "edges.parquet")


def write_wide(
    run: Path, names: list[str], baselines: int, *, n_problems: int = 12, undefined: float = 0.0
) -> Path:
    """Fill `run` with every frame there can be, of these methods, at random; returns it."""
    rng = np.random.default_rng(0)
    (run / "scores").mkdir(parents=True)
    write_texts(run, {f"p{i}": [int(rng.integers(12, 39))] for i in range(n_problems)}, TEXTS)
    sentences = with_spans(pl.read_parquet(run / "sentences.parquet"))
    sentences.write_parquet(run / "sentences.parquet")
    write_provenance(run)
    methods_of(names, baselines).write_parquet(run / "methods.parquet")
    table = agreement_of(names, n_problems=n_problems, undefined=undefined)
    table.write_parquet(run / "agreement.parquet")
    problems_of(table, n_problems).write_parquet(run / "agreement_by_problem.parquet")
    by_k_of(names).write_parquet(run / "agreement_by_k.parquet")
    enrichment_of(names).write_parquet(run / "enrichment.parquet")
    for name in names:
        score = np.where(rng.random(len(sentences)) < 0.05, np.nan, rng.normal(size=len(sentences)))
        kept = sentences.select("trace_id", "sentence", score=pl.Series(score))
        kept.write_parquet(run / "scores" / f"{name}.parquet")
    add_peaks(run, names[0])
    for trace_id, n in sentences.group_by("trace_id").len().iter_rows():
        add_matrix(run, names[0], trace_id, rng.normal(size=(n, n)))
    return run


def with_spans(sentences: pl.DataFrame) -> pl.DataFrame:
    """Sentences with the token spans that their lengths make."""
    stop = pl.col("n_tokens").cum_sum().over("trace_id").cast(pl.Int32)
    return sentences.with_columns(start=stop - pl.col("n_tokens"), stop=stop)


def problems_of(agreement: pl.DataFrame, n_problems: int) -> pl.DataFrame:
    """Dots around the values of an agreement frame, one a problem."""
    rng = np.random.default_rng(0)
    parts = [
        agreement.with_columns(
            problem_id=pl.lit(f"p{i}"), value=pl.col("value") + float(rng.normal(0, 0.1))
        )
        for i in range(n_problems)
    ]
    whole = pl.concat(parts).with_columns(weight=pl.lit(1.0))
    return whole.select(list(schema.AGREEMENT_BY_PROBLEM))
