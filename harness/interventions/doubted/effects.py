"""What the sceptic finds over problems."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from harness.agreement import Agreement
from harness.interventions.doubted.names import (
    CUT,
    FORCED,
    LOGPROB,
    NONE,
    REDRAWN,
    RIGHT,
    SELF,
    SWAP,
    TRUE,
    WRONG,
)
from harness.interventions.validation.effects import (
    by_problem,
    difference,
    mean,
    share_recovered,
)

MEASURES = {FORCED: "probability", REDRAWN: "probability", LOGPROB: "nats"}
NO_RIGHT = "no trace ended right"
Row = dict[str, Any]


def effects(
    frame: pl.DataFrame, shares: Sequence[float], notes: Mapping[str, str], conf: Agreement
) -> list[Row]:
    """The differences from TRUE, first of traces that ended right, then every control.

    A share is given in P alone, and only where the interval of TRUE − NONE excludes 0.
    """
    found: list[Row] = []
    for ended, correct in ((RIGHT, True), (WRONG, False)):
        traces = frame.filter(pl.col("correct") == correct)
        if traces.is_empty():
            if correct:
                found += _untested(NO_RIGHT)
            continue
        found += _headline(traces, ended, conf)
        found += _controls(traces, ended, conf)
        found += _cut(traces, ended, shares, conf)
    found += [
        {"part": part, "measure": FORCED, "n_problems": 0, "reason": why}
        for part, why in notes.items()
    ]
    return found


def named(part: str, ended: str) -> str:
    """A part of the summary; traces that ended wrong are told apart by name."""
    return part if ended == RIGHT else f"{part} ({ended})"


def _untested(reason: str) -> list[Row]:
    parts = (f"{TRUE} − {SWAP}", f"{TRUE} − {NONE}")
    row = {"measure": FORCED, "n_problems": 0, "reason": reason}
    return [{"part": part, **row} for part in parts]


def _headline(traces: pl.DataFrame, ended: str, conf: Agreement) -> Iterator[Row]:
    for measure in (FORCED, REDRAWN):
        true = by_problem(traces, {"part": TRUE, "measure": measure})
        for other in (SWAP, NONE):
            less = by_problem(traces, {"part": other, "measure": measure})
            row: Row = {"part": named(f"{TRUE} − {other}", ended), "measure": measure}
            if true and (less or measure == FORCED):
                if not less:
                    row["reason"] = f"no trace has {other}"
                yield difference(true, less, conf, {**row, "unit": "probability"})


def _controls(traces: pl.DataFrame, ended: str, conf: Agreement) -> Iterator[Row]:
    """Means of every control, then what share of TRUE − NONE each keeps, forced.

    Log p and shares are of traces that ended right: behind the others there is nothing to keep.
    """
    parts = [p for p in traces["part"].unique(maintain_order=True) if p != CUT]
    right = ended == RIGHT
    for measure in (FORCED, REDRAWN, LOGPROB) if right else (FORCED, REDRAWN):
        unit = MEASURES[measure]
        means = {part: by_problem(traces, {"part": part, "measure": measure}) for part in parts}
        for part, values in means.items():
            if values:
                row: Row = {"part": named(part, ended), "measure": measure, "unit": unit}
                if part == SELF:
                    row["reason"] = "of traces whose problem has a wrong rollout"
                yield mean(values, conf, row)
        if right and measure == FORCED and means.get(TRUE) and means.get(NONE):
            share: Row = {"measure": f"share of {TRUE} − {NONE}, {measure}", "unit": "share"}
            for part, values in means.items():
                if values and part not in (TRUE, NONE):
                    ends = (means[NONE], means[TRUE])
                    yield share_recovered(
                        values, *ends, conf, {"part": named(part, ended), **share}
                    )


def _cut(
    traces: pl.DataFrame, ended: str, shares: Sequence[float], conf: Agreement
) -> Iterator[Row]:
    """P(correct) behind shares of the trace, of each the nearest boundary that has a value."""
    for measure in (FORCED, REDRAWN):
        rows = traces.filter(part=CUT, measure=measure).drop_nulls("value")
        for share in shares if len(rows) else ():
            apart = (pl.col("at") - share).abs()
            near = rows.filter(apart == apart.min().over("trace_id"))
            part = named(CUT, ended)
            yield mean(by_problem(near), conf, {"part": part, "measure": measure, "at": share})
