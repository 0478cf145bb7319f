"""The frames of a series: each measure by problem, and over problems with its interval."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from harness.agreement import Agreement
from harness.agreement.inference import interval
from harness.series.checkpoints import Checkpoint
from harness.series.measures import ALL, OWN, PLANNING, Key, Strategies, Surprise, relative
from harness.store import schema
from harness.store.files import rows

GEOMETRIC = {"relative_perplexity"}  # ratios, averaged as logarithms
AT = ["checkpoint", "step", "traces", "class", "measure"]


def token_rows(
    at: Checkpoint, whose: str, now: Surprise, first: Surprise
) -> Iterator[dict[str, Any]]:
    """Entropy, and perplexity relative to the first checkpoint, of the tokens of each class."""
    yield from _rows(at, whose, "entropy", now.entropy)
    yield from _rows(at, whose, "relative_perplexity", relative(now, first))


def gram_rows(at: Checkpoint, found: Mapping[str, Strategies]) -> Iterator[dict[str, Any]]:
    """How varied the grams of each problem's rollouts are, and what comes after them."""
    named = {
        "semantic_entropy": {name: each.entropy for name, each in found.items()},
        "conditional_entropy": {name: each.conditional for name, each in found.items()},
    }
    for measure, values in named.items():
        yield from _rows(at, OWN, measure, {(p, PLANNING): v for p, v in values.items()})


def rollout_rows(
    at: Checkpoint, right: Mapping[str, float], length: Mapping[str, float]
) -> Iterator[dict[str, Any]]:
    """Accuracy and length in tokens of each problem's rollouts."""
    yield from _rows(at, OWN, "accuracy", {(p, ALL): v for p, v in right.items()})
    yield from _rows(at, OWN, "tokens", {(p, ALL): v for p, v in length.items()})


def _rows(
    at: Checkpoint, whose: str, measure: str, values: Mapping[Key, float]
) -> Iterator[dict[str, Any]]:
    for (problem, kind), value in sorted(values.items()):
        yield {
            "checkpoint": at.name,
            "step": at.step,
            "traces": whose,
            "class": kind,
            "measure": measure,
            "problem_id": problem,
            "value": value,
        }


def by_problem(values: list[dict[str, Any]]) -> pl.DataFrame:
    """The frame schema.DYNAMICS_BY_PROBLEM; undefined values are null."""
    return rows(values, schema.DYNAMICS_BY_PROBLEM).fill_nan(None)


def dynamics(values: pl.DataFrame, conf: Agreement) -> pl.DataFrame:
    """The frame schema.DYNAMICS: means over problems with intervals; of ratios geometric ones."""
    found: list[dict[str, Any]] = []
    for key, part in values.group_by(AT, maintain_order=True):
        where = dict(zip(AT, key, strict=True))
        known = part["value"].drop_nulls().to_numpy()
        found.append(where | _mean(known, conf, geometric=where["measure"] in GEOMETRIC))
    return rows(found, schema.DYNAMICS)


def _mean(values: np.ndarray, conf: Agreement, *, geometric: bool) -> dict[str, Any]:
    n = {"n_problems": len(values)}
    if not len(values):
        return n
    if geometric:
        values = np.log(values)
    low, high = interval(values, conf)
    ends = {"value": float(values.mean()), "low": low, "high": high}
    back = {key: float(np.exp(end)) if geometric else end for key, end in ends.items()}
    return n | {key: None if np.isnan(end) else end for key, end in back.items()}
