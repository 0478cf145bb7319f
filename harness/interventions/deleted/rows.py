"""The rows of deletion: a drop by place on a curve, an area by method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from harness.interventions.deleted.sets import SHARE, Taken

LOGPROB, P = "log p", "P"
AREA = "area"
ROWS: Mapping[str, Any] = {
    "part": pl.String,
    "measure": pl.String,
    "method": pl.String,
    "at": pl.Float64,
    "value": pl.Float64,
    "n": pl.Int32,  # matched sets
    "answer": pl.String,  # own or gold
    "scale": pl.String,  # what `at` counts: sentences, or their share; area
    "size": pl.Int32,  # sentences taken out
    "before": pl.Float64,  # of the answer with nothing taken out
    "matched": pl.Float64,  # mean of the matched sets
    "draws": pl.List(pl.Float64),  # each of them
}


@dataclass(frozen=True, eq=False)
class Drop:
    """Log p of an answer before, after a method's set, and after each matched one; nats.

    `at` are the places on the curves for which a set of this size stands.
    """

    taken: Taken
    answer: str
    before: float
    after: float
    matched: Float[np.ndarray, " draws"]
    at: Sequence[tuple[str, float]]

    def by_measure(self) -> dict[str, tuple[float, float, np.ndarray]]:
        """Before, the drop, and the drops of matched sets, in nats and in probability."""
        p = np.exp(self.before)
        return {
            LOGPROB: (self.before, self.before - self.after, self.before - self.matched),
            P: (float(p), float(p - np.exp(self.after)), p - np.exp(self.matched)),
        }


def rows_of(found: Sequence[Drop]) -> pl.DataFrame:
    """A row a drop and place, and the areas under the shares."""
    rows: list[dict[str, Any]] = []
    for drop in found:
        for measure, (before, value, draws) in drop.by_measure().items():
            row = _row(drop, measure, before, value, draws)
            rows += [row | {"scale": scale, "at": at} for scale, at in drop.at]
    return pl.DataFrame([*rows, *_areas(rows)], schema=ROWS)


def area(shares: Sequence[float], drops: Float[np.ndarray, "shares _"]) -> np.ndarray:
    """The mean drop from share 0, where it is none, to the largest share; by the trapezoid rule."""
    x = np.array([0.0, *shares])
    y = np.concatenate([np.zeros((1, drops.shape[1])), drops])
    return np.trapezoid(y, x, axis=0) / x[-1]


def _row(
    drop: Drop, measure: str, before: float, value: float, draws: np.ndarray
) -> dict[str, Any]:
    return {
        "part": drop.taken.part,
        "measure": measure,
        "method": drop.taken.method,
        "value": value,
        "n": len(draws),
        "answer": drop.answer,
        "size": drop.taken.size,
        "before": before,
        "matched": float(draws.mean()),
        "draws": draws.tolist(),
    }


_KEY = ("part", "answer", "method", "measure")


def _areas(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One of each curve over the shares."""
    shares = sorted(
        (row for row in rows if row["scale"] == SHARE),
        key=lambda row: (*(row[k] for k in _KEY), row["at"]),
    )
    found: list[dict[str, Any]] = []
    for _, group in groupby(shares, key=lambda row: tuple(row[k] for k in _KEY)):
        curve = list(group)
        drops = np.array([[row["value"], *row["draws"]] for row in curve])
        value, *draws = area([row["at"] for row in curve], drops).tolist()
        more = {"value": value, "draws": draws, "matched": float(np.mean(draws))}
        found.append({**curve[0], **more, "scale": AREA, "at": None, "size": None})
    return found
