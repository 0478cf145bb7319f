"""How well scores find what is planted: the measures of a self-test, where the truth is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import polars as pl
from jaxtyping import Bool, Float
from pydantic import Field

from harness.agreement import Agreement
from harness.agreement.inference import interval
from harness.store import schema
from harness.store.files import rows

Share = Annotated[float, Field(gt=0, lt=1)]
Scores = Float[np.ndarray, " sentences"]
CARRYING = ("PLAN", "BACK", "KEEP")  # kinds on which an answer can rest


@dataclass(frozen=True)
class Selftest:
    """What conf/selftest sets.

    `strong` and `some` are exact total variations from which a sentence counts as an anchor;
    `bounds` holds the least value of a measure by detector; `seeds` are those of the worlds.
    """

    strong: Share
    some: Share
    seeds: tuple[int, ...]
    bounds: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Scored:
    """One trace with its truth under one method's scores, undefined ones left out.

    `over` says whether the score exceeds what the method takes for noise, NaN if it does not say;
    `chain` and `read` whether the sentence leads to the result, NaN if it is not judged.
    """

    score: Scores
    kind: np.ndarray
    planted: Bool[np.ndarray, " sentences"]
    tv: Scores
    over: Scores
    chain: Scores
    read: Scores


def auroc(score: Scores, anchor: Bool[np.ndarray, " sentences"]) -> float:
    """P(an anchor's score exceeds another sentence's), ties counted half; NaN if one has none."""
    n, m = int(anchor.sum()), int((~anchor).sum())
    if n == 0 or m == 0:
        return np.nan
    return float((_ranks(score)[anchor].sum() - n * (n + 1) / 2) / (n * m))


def _ranks(values: Scores) -> Scores:
    """From 1 on, the lowest first, ties sharing their mean rank."""
    return pl.Series(values).rank("average").to_numpy()


def of_trace(given: Scored, conf: Selftest, kinds: Sequence[str]) -> dict[str, float]:
    """Every measure of one trace.

    What decides: `planted`, `strong`, `some`: AUROC of the planted sentences, and of those with at
    least so much exact total variation, against the rest; `spearman` with it. What the answer is
    read from: `chain`, `read`: AUROC of the sentences that lead to the result, see chain.py.
    `quiet`: share of the sentences of less than `some` importance that the method takes for noise.
    `against KIND`: AUROC of the planted sentences against those of one kind alone: below .5 the
    detector is fooled by it.
    """
    found = {
        "planted": auroc(given.score, given.planted),
        "strong": auroc(given.score, given.tv >= conf.strong),
        "some": auroc(given.score, given.tv >= conf.some),
        "spearman": _spearman(given.score, given.tv),
        "chain": _judged(given.score, given.chain),
        "read": _judged(given.score, given.read),
        "quiet": 1 - float(np.mean(idle))
        if len(idle := given.over[given.tv < conf.some])
        else np.nan,
    }
    for kind in kinds:
        among = given.planted | (given.kind == kind)
        found[f"against {kind}"] = auroc(given.score[among], given.planted[among])
    return found


def _judged(score: Scores, leads: Scores) -> float:
    """AUROC of the sentences that lead to the result against the others that are judged."""
    known = np.isfinite(leads)
    return auroc(score[known], leads[known] > 0)


def _spearman(x: Scores, y: Scores) -> float:
    """Rank correlation; NaN where either is constant."""
    flat = len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0
    return np.nan if flat else float(np.corrcoef(_ranks(x), _ranks(y))[0, 1])


def measures(
    scores: pl.DataFrame, sentences: pl.DataFrame, conf: Selftest, statistics: Agreement
) -> pl.DataFrame:
    """The frame schema.SELFTEST: every method by every measure, intervals over problems.

    `scores`: problem_id, trace_id, sentence, method, score, and over (null where the method has no
    noise floor); `sentences` with the truth's columns, and `chain` and `read`.
    A measure is taken within a trace, then averaged over the traces of a problem and over
    problems; `spearman of some` alone is over all sentences of `some` importance at once.
    """
    known = sentences.drop_nulls("kind")
    idle = sorted(set(known["kind"]) - set(CARRYING))
    joined = scores.join(known, on=["trace_id", "sentence"]).filter(pl.col("score").is_not_nan())
    found: list[dict[str, object]] = []
    for (method,), part in joined.group_by("method", maintain_order=True):
        for measure, values in _by_problem(part, conf, idle).items():
            value = float(values.mean()) if len(values) else None
            row = measured(method, measure, value, interval(values, statistics))
            found.append(row | {"n_problems": len(values)})
        found.append(_pooled(method, part.filter(pl.col("exact_tv") >= conf.some), statistics))
    return rows([bounded(row, conf) for row in found], schema.SELFTEST).fill_nan(None)


def unsigned(scores: pl.DataFrame, signed: Sequence[str]) -> pl.DataFrame:
    """Scores as the truth is: without direction."""
    size = pl.when(pl.col("method").is_in(list(signed))).then(pl.col("score").abs())
    return scores.with_columns(size.otherwise("score").alias("score"))


def auroc_planted(scores: pl.DataFrame, known: pl.DataFrame) -> dict[str, float]:
    """The measure `planted` alone, by method."""
    joined = scores.join(known, on=["trace_id", "sentence"]).filter(pl.col("score").is_not_nan())
    columns = ["method", "problem_id", "trace_id"]
    found = [
        (*key, auroc(part["score"].to_numpy(), part["planted"].to_numpy()))
        for key, part in joined.group_by(columns, maintain_order=True)
    ]
    frame = pl.DataFrame(found, schema=[*columns, "auroc"], orient="row").fill_nan(None)
    by_problem = frame.group_by("method", "problem_id").agg(pl.col("auroc").mean())
    return dict(by_problem.group_by("method").agg(pl.col("auroc").mean()).iter_rows())


def _by_problem(
    part: pl.DataFrame, conf: Selftest, idle: Sequence[str]
) -> dict[str, Float[np.ndarray, " problems"]]:
    """Each measure's values, one a problem that has any."""
    by_trace = [
        {"problem_id": problem, **of_trace(_scored(trace), conf, idle)}
        for (problem, _), trace in part.group_by("problem_id", "trace_id", maintain_order=True)
    ]
    frame = pl.DataFrame(by_trace).fill_nan(None)
    means = frame.group_by("problem_id", maintain_order=True).mean().drop("problem_id")
    return {c: means[c].drop_nulls().cast(pl.Float64).to_numpy() for c in means.columns}


def _scored(trace: pl.DataFrame) -> Scored:
    return Scored(
        trace["score"].to_numpy(),
        trace["kind"].to_numpy(),
        trace["planted"].to_numpy(),
        trace["exact_tv"].to_numpy(),
        trace["over"].cast(pl.Float64).to_numpy(),
        trace["chain"].cast(pl.Float64).to_numpy(),
        trace["read"].cast(pl.Float64).to_numpy(),
    )


def _pooled(method: object, part: pl.DataFrame, statistics: Agreement) -> dict[str, object]:
    """Spearman over the sentences of all traces, percentile interval over problems."""
    groups = [
        (g["score"].to_numpy(), g["exact_tv"].to_numpy()) for g in part.partition_by("problem_id")
    ]
    value, draws = np.nan, np.full(1, np.nan)
    if len(groups) >= statistics.min_problems_interval:
        value = _over(groups)
        rng = np.random.default_rng(statistics.seed)
        picks = rng.integers(0, len(groups), (statistics.draws, len(groups)))
        draws = np.array([_over([groups[i] for i in pick]) for pick in picks])
    tail = (1 - statistics.confidence) / 2
    bounds = np.nanquantile(draws, [tail, 1 - tail]) if np.isfinite(draws).any() else (None, None)
    row = measured(method, "spearman of some", value, (bounds[0], bounds[1]))
    return row | {"n_problems": len(groups)}


def _over(groups: Sequence[tuple[Scores, Scores]]) -> float:
    x, y = (np.concatenate(part) for part in zip(*groups, strict=True))
    return _spearman(x, y)


def measured(
    method: object, measure: str, value: float | None, ends: tuple[float | None, float | None]
) -> dict[str, object]:
    """A row of schema.SELFTEST but for how many problems it rests on, and its bound."""
    return {"method": method, "measure": measure, "value": value, "low": ends[0], "high": ends[1]}


def bounded(row: dict[str, object], conf: Selftest) -> dict[str, object]:
    """With the bound of this measure, and whether it is kept; null where there is none."""
    bound = conf.bounds.get(str(row["method"]), {}).get(str(row["measure"]))
    value = row["value"]
    kept = None if bound is None else isinstance(value, float) and value >= bound
    return row | {"bound": bound, "kept": kept}
