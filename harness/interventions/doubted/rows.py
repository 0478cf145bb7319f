"""The rows of the sceptic: P(correct) of a trace by what stands in its place."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from harness.core import Rollouts
from harness.interventions.doubted.names import FORCED, LOGPROB, REDRAWN

ROWS: Mapping[str, Any] = {
    "part": pl.String,
    "measure": pl.String,
    "at": pl.Float64,  # share of the sentences that stand, where the trace is cut
    "value": pl.Float64,
    "n": pl.Int32,
    "boundary": pl.Int32,
}


def forced(
    control: str, logprob: float, at: float | None = None, boundary: int | None = None
) -> list[dict[str, Any]]:
    """Of a forced answer's log p in nats: itself, and P."""
    row = {"part": control, "at": at, "boundary": boundary}
    return [
        row | {"measure": FORCED, "value": float(np.exp(logprob))},
        row | {"measure": LOGPROB, "value": logprob},
    ]


def redrawn(
    control: str, drawn: Rollouts, at: float | None = None, boundary: int | None = None
) -> dict[str, Any]:
    """Of rollouts: the share of right ones."""
    value = float(drawn.correct.mean()) if len(drawn) else np.nan
    row = {"part": control, "at": at, "boundary": boundary, "n": len(drawn)}
    return row | {"measure": REDRAWN, "value": value}
