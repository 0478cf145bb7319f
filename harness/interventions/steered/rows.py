"""Rows of steering: what each condition makes of the draws at a sentence."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from harness.core import Rollouts
from harness.interventions.steered.effects import DRAWN, OPENING, RIGHT, SHARE
from harness.interventions.steered.weights import Weighted

COLUMNS: Mapping[str, Any] = {
    "part": pl.String,
    "measure": pl.String,
    "value": pl.Float64,
    "n": pl.Int32,
    "sentence": pl.Int32,
}


def of_place(
    place: int, each: Mapping[str, Weighted], target: str, min_share: float
) -> list[dict[str, Any]]:
    """P(correct) and effective share by condition, and likeness to the opening of `target`."""
    return [
        {"part": part, "measure": measure, "value": value, "n": len(one.weight), "sentence": place}
        for part, one in each.items()
        for measure, value in values(one, each.get(target), min_share).items()
    ]


def values(one: Weighted, target: Weighted | None, min_share: float) -> dict[str, float]:
    """What is said of a condition by measure; NaN where too few draws stand for it."""
    found = {RIGHT: one.correct}
    if target is not None:
        found[OPENING] = one.overlap(target)
    if not one.share >= min_share:
        found = dict.fromkeys(found, np.nan)
    return {**found, SHARE: one.share}


def of_draws(place: int, part: str, drawn: Rollouts) -> dict[str, Any]:
    """P(correct) of rollouts that were drawn under the condition itself."""
    value = float(drawn.correct.mean())
    return {"part": part, "measure": DRAWN, "value": value, "n": len(drawn), "sentence": place}


def rows_frame(found: Sequence[Mapping[str, Any]], layer: int, scale: float) -> pl.DataFrame:
    """The rows of a trace, with the layer and scale that were chosen for it."""
    frame = pl.DataFrame([dict(row) for row in found], schema=dict(COLUMNS), orient="row")
    chosen = pl.lit(layer, pl.Int32).alias("layer"), pl.lit(scale, pl.Float64).alias("scale")
    return frame.with_columns(*chosen)
