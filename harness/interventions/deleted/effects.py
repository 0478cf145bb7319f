"""What deletion finds over problems."""

from typing import Any

import polars as pl

from harness.agreement import Agreement
from harness.interventions.deleted.rows import AREA, LOGPROB
from harness.interventions.validation.effects import by_problem, difference

READ = "what the answer is read from; no ranking of methods"
ABOVE = "area − matched"
FIRST = f"{ABOVE}, {LOGPROB} of own"
UNITS = {LOGPROB: "nats"}


def effects(frame: pl.DataFrame, conf: Agreement) -> list[dict[str, Any]]:
    """Areas less those of matched sets: of part, answer, measure and method."""
    areas = frame.filter(pl.col("scale") == AREA)
    if areas.is_empty():
        return [{"measure": ABOVE, "n_problems": 0, "reason": "no trace has an answer and a score"}]
    keys = areas.select("part", "answer", "measure", "method").unique(maintain_order=True)
    found: list[dict[str, Any]] = []
    for part, answer, measure, method in keys.iter_rows():
        some = areas.filter(part=part, answer=answer, measure=measure, method=method)
        matched = by_problem(some.with_columns(value="matched"))
        row = {"part": part, "method": method, "unit": UNITS.get(measure, "probability")}
        above = {"measure": f"{ABOVE}, {measure} of {answer}", "reason": READ}
        found.append(difference(by_problem(some), matched, conf, {**row, **above}))
    return sorted(found, key=lambda row: row["measure"] != FIRST)
