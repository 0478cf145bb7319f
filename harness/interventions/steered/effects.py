"""Of the rows of steering: means by condition, the gap, and what is recovered of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from harness.agreement import Agreement
from harness.interventions.validation.effects import (
    by_problem,
    difference,
    mean,
    share_recovered,
)

MODEL, STEERED, BIAS, RANDOM = "model", "steered", "bias alone", "random"
ELSEWHERE, ELSEWHERE_STEERED = "model elsewhere", "steered elsewhere"
RIGHT, OPENING, SHARE, DRAWN = "P(correct)", "opening", "effective share", "P(correct), drawn"
RECOVERED: Mapping[str, str] = {"measure": "gap recovered", "unit": "share"}
LIKE: Mapping[str, str] = {
    "measure": "opening like the checkpoint's",
    "unit": "1 − total variation",
}

ByProblem = dict[str, float]


def effects(frame: pl.DataFrame, checkpoint: str, conf: Agreement) -> list[dict[str, Any]]:
    """Rows of a summary: what each condition recovers of the gap, the gap, then all means.

    Of the random vectors their mean, and the one that recovers most.
    """
    parts = frame["part"].unique(maintain_order=True).to_list()
    right = {part: by_problem(frame, {"part": part, "measure": RIGHT}) for part in parts}
    base, target = right.get(MODEL, {}), right.get(checkpoint, {})
    unit = "probability"
    gap = {"part": f"{checkpoint} − {MODEL}", "measure": "gap", "unit": unit}
    found = [
        share_recovered(values, base, target, conf, {"part": part, **RECOVERED})
        for part, values in _done(right, base).items()
    ]
    found.append(difference(target, base, conf, gap))
    drawn = {part: by_problem(frame, {"part": part, "measure": DRAWN}) for part in parts}
    for part in (p for p in (STEERED, BIAS) if drawn.get(p)):
        row = {"part": f"{part}, drawn", **RECOVERED}
        found.append(share_recovered(drawn[part], base, drawn[checkpoint], conf, row))
    alike = {part: by_problem(frame, {"part": part, "measure": OPENING}) for part in parts}
    found += [
        mean(alike[p], conf, {"part": p, **LIKE}) for p in (MODEL, STEERED, BIAS) if p in alike
    ]
    return [
        *found,
        *(mean(right[p], conf, {"part": p, "measure": RIGHT, "unit": unit}) for p in parts),
    ]


def _done(right: Mapping[str, ByProblem], base: ByProblem) -> dict[str, ByProblem]:
    """P(correct) where something was done; elsewhere as base with what it changed there."""
    randoms = [values for part, values in right.items() if part.startswith(RANDOM)]
    there, moved = right.get(ELSEWHERE, {}), right.get(ELSEWHERE_STEERED, {})
    found = {part: right.get(part, {}) for part in (STEERED, BIAS)}
    if randoms:
        names = [name for name in base if all(name in each for each in randoms)]
        found[f"{len(randoms)} random vectors"] = {
            name: float(np.mean([each[name] for each in randoms])) for name in names
        }
        most = max(randoms, key=lambda each: float(np.mean([*each.values()] or [-np.inf])))
        found["random vector that recovers most"] = most
    found[ELSEWHERE_STEERED] = {
        name: base[name] + moved[name] - there[name]
        for name in base
        if name in moved and name in there
    }
    return found
