"""Which sentence functions are over-represented among the sentences that each method ranks highest.

Source of the functions: Thought Anchors, arXiv 2506.19143.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from harness.agreement import Agreement
from harness.agreement.controls.headroom import headroom
from harness.agreement.controls.length import length
from harness.agreement.controls.position import position
from harness.agreement.inference import interval
from harness.agreement.panel.blocks import blocks
from harness.agreement.ranks import standing
from harness.agreement.statistics import depth
from harness.analysis.permuted import Labelled, chances, log_odds
from harness.store import schema
from harness.store.files import rows

Shares = Float[np.ndarray, " problems"]
SENTENCE = ["trace_id", "sentence"]
CONTROLS = {
    "none": (),
    "position": ("position",),
    "length": ("length",),
    "structure": ("position", "length", "headroom"),
}


@dataclass(frozen=True, eq=False)
class Ranked:
    """The sentences of a model's traces that some methods rank; `trace`, `problem` are indices.

    `top`: by method, each sentence's probability of being among its trace's highest.
    """

    trace: Int[np.ndarray, " sentences"]
    problem: Int[np.ndarray, " sentences"]
    category: np.ndarray
    columns: Mapping[str, Float[np.ndarray, "columns sentences"]]
    methods: tuple[str, ...]
    top: Float[np.ndarray, "sentences methods"]


def enrichment(
    scores: Mapping[str, pl.LazyFrame],
    sentences: pl.DataFrame,
    traces: pl.DataFrame,
    signed: Mapping[str, bool],
    conf: Agreement,
) -> pl.DataFrame:
    """The frame schema.ENRICHMENT: log2 of a category's share of the top over what chance gives it.

    `scores` by method: trace_id, sentence, score (higher = more of an anchor, NaN = undefined, the
    size of signed ones counts); `sentences`: trace_id, sentence, category, n_tokens; `traces`:
    trace_id, problem_id, model. Shares are taken within traces among the sentences with a score,
    then averaged over the traces of a problem and over the problems that have the category. Chance
    is its share of all sentences, or under a control the share that sentences at such places, of
    such lengths and with such headroom have. `p` is from labels permuted within traces, by the odds
    of the control. Positive = over-represented; null where the category never is among the top. A
    trace whose scores are all equal ranks nothing and is left out; an interval is given where the
    top is of `top_least` sentences or more. `n_sentences` counts those of the category.
    """
    found = [
        {"model": str(model), **row}
        for (model,), part in traces.group_by("model", maintain_order=True)
        for ranked in _ranked(scores, sentences, part, signed, conf)
        for row in _rows(ranked, conf)
    ]
    order = {name: i for i, name in enumerate(scores)}
    size = pl.col("value").fill_nan(None).filter(control="none").first()
    frame = rows(found, schema.ENRICHMENT).fill_nan(None)
    frame = frame.with_columns(raw=size.over("model", "method", "category"))
    placed = pl.col("method").replace_strict(order, default=0, return_dtype=pl.Int64)
    by = [pl.col("model"), placed, -pl.col("raw"), pl.col("category")]
    return frame.sort(by, nulls_last=True, maintain_order=True).drop("raw")


def _ranked(
    scores: Mapping[str, pl.LazyFrame],
    sentences: pl.DataFrame,
    traces: pl.DataFrame,
    signed: Mapping[str, bool],
    conf: Agreement,
) -> Iterator[Ranked]:
    """Methods together that rank the same sentences."""
    cells = sentences.join(traces.select("trace_id", "problem_id"), on="trace_id")
    place = (pl.col("sentence") + 1) / pl.len().over("trace_id")
    cells = cells.sort("problem_id", *SENTENCE).with_columns(place=place)
    trace = cells["trace_id"].rle_id().cast(pl.Int64).to_numpy()
    known = {name: _values(frame, cells) for name, frame in scores.items()}
    groups: dict[bytes, dict[str, np.ndarray]] = {}
    for name, score in known.items():
        found = top(np.abs(score) if signed.get(name) else score, trace, conf)
        groups.setdefault(np.packbits(np.isfinite(found)).tobytes(), {})[name] = found
    left = known.get("headroom", np.full(len(cells), np.nan))
    for methods in groups.values():
        kept = np.isfinite(next(iter(methods.values())))
        if kept.any():
            part = cells.filter(pl.Series(kept))
            yield _group(part, left[kept], {n: t[kept] for n, t in methods.items()})


def _group(
    part: pl.DataFrame, left: Float[np.ndarray, " sentences"], tops: Mapping[str, np.ndarray]
) -> Ranked:
    trace = part["trace_id"].rle_id().cast(pl.Int64).to_numpy()
    covariates = {
        "position": position(part["place"].to_numpy(), trace),
        "length": length(part["n_tokens"].cast(pl.Float64).to_numpy()),
        "headroom": headroom(left, trace),
    }
    return Ranked(
        trace,
        part["problem_id"].rle_id().cast(pl.Int64).to_numpy(),
        part["category"].to_numpy(),
        {name: c.columns for name, c in covariates.items() if c.known.all()},
        tuple(tops),
        np.stack(list(tops.values()), axis=1),
    )


def _values(frame: pl.LazyFrame, cells: pl.DataFrame) -> Float[np.ndarray, " sentences"]:
    scored = frame.select(*SENTENCE, "score").collect()
    found = cells.join(scored, on=SENTENCE, how="left", maintain_order="left")["score"]
    return found.cast(pl.Float64).fill_null(np.nan).to_numpy()


def top(
    score: Float[np.ndarray, " sentences"], trace: Int[np.ndarray, " sentences"], conf: Agreement
) -> Float[np.ndarray, " sentences"]:
    """The probability of being among a trace's highest, of as many as `topk` takes.

    Sentences that tie at the edge share the places that are left. NaN where a trace ranks nothing.
    """
    found = np.full(len(score), np.nan)
    for block in blocks(trace, np.isfinite(score)):
        stand = standing(block.rows(score[None]), block.inside)
        chosen = stand.chosen(depth(stand.size, None, conf))
        chosen[stand.flat] = np.nan
        found[block.cell[block.inside]] = chosen[:, 0][block.inside]
    return found


def _rows(ranked: Ranked, conf: Agreement) -> Iterator[dict[str, object]]:
    """Every method, category and control."""
    shares = _shares(ranked)
    names = sorted({c for c in ranked.category if c is not None})
    every = [(name, control) for name in names for control in CONTROLS]
    wanted = [_labelled(ranked, shares, name, control) for name, control in every]
    drawn = chances(wanted, ranked.trace, conf.draws, conf.seed)
    for (name, control), one, chance in zip(every, wanted, drawn, strict=True):
        there = np.bincount(ranked.problem, one.label) > 0
        expected = chance.share if CONTROLS[control] else _mean(one.label, ranked.trace)
        p = chance.p(one.label @ one.weights)
        for j, method in enumerate(ranked.methods):
            seen, by_chance = (
                np.bincount(ranked.problem, v * shares[:, j])[there] for v in (one.label, expected)
            )
            yield {
                "method": method, "category": name, "control": control, "p": p[j],
                "n_problems": int(there.sum()), "n_sentences": int(one.label.sum()),
                **_ratio(seen, by_chance, deep(ranked, conf), conf),
            }  # fmt: skip


def _labelled(
    ranked: Ranked, shares: Float[np.ndarray, "sentences methods"], category: str, control: str
) -> Labelled:
    """A category, its odds under a control, and the mean over the problems that have it."""
    label = ranked.category == category
    there = np.bincount(ranked.problem, label) > 0
    columns = [c for part in CONTROLS[control] for c in ranked.columns.get(part, ())]
    weights = shares * there[ranked.problem][:, None] / there.sum()
    return Labelled(label, log_odds(label, columns, ranked.trace), weights)


def _shares(ranked: Ranked) -> Float[np.ndarray, "sentences methods"]:
    """Each sentence's share of the top of its trace, over the traces of its problem."""
    first = np.flatnonzero(np.diff(ranked.trace, prepend=-1))
    whole = np.add.reduceat(ranked.top, first, axis=0)[ranked.trace]
    traces = np.bincount(ranked.problem[first])
    return ranked.top / whole / traces[ranked.problem][:, None]


def _mean(values: np.ndarray, index: Int[np.ndarray, " sentences"]) -> np.ndarray:
    return (np.bincount(index, values) / np.bincount(index))[index]


def deep(ranked: Ranked, conf: Agreement) -> bool:
    """Whether tops are of sentences enough for an interval, in most traces."""
    k = depth(np.bincount(ranked.trace).astype(np.float64), None, conf)
    return bool(np.median(k) >= conf.top_least)


def _ratio(seen: Shares, expected: Shares, enough: bool, conf: Agreement) -> dict[str, float]:
    value, low, high = log_ratio(seen, expected, conf)
    return {"value": value, "low": low if enough else np.nan, "high": high if enough else np.nan}


def log_ratio(top: Shares, every: Shares, conf: Agreement) -> tuple[float, float, float]:
    """log2 of the ratio of two means over problems, with its interval; NaN where one is all 0.

    The interval is that of a mean: of what each problem adds to the linearised logarithm.
    """
    if not (top.any() and every.any()):
        return np.nan, np.nan, np.nan
    mean, base = top.mean(), every.mean()
    value = np.log2(mean / base)
    return float(value), *interval(value + (top / mean - every / base) / np.log(2), conf)
