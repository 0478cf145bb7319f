"""Effects over problems: means, differences and ratios of rows of traces, with intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from harness.agreement import Agreement
from harness.agreement.inference import estimate, interval
from harness.store import schema
from harness.store.files import rows

Row = Mapping[str, Any]  # columns of the summary, or of the rows, with their values
ALL: Row = {}
Values = Float[np.ndarray, " problems"]


def by_problem(frame: pl.DataFrame, where: Row = ALL) -> dict[str, float]:
    """The mean value of each problem over the rows that are as `where` says, its traces alike.

    Problems without a defined value are left out.
    """
    some = frame.filter(*(pl.col(k).eq_missing(pl.lit(v)) for k, v in where.items()))
    means = some.drop_nulls("value").group_by("problem_id", "trace_id").agg(pl.col("value").mean())
    means = means.group_by("problem_id").agg(pl.col("value").mean()).sort("problem_id")
    return dict(means.select("problem_id", "value").iter_rows())


def mean(values: Mapping[str, float], conf: Agreement, row: Row = ALL) -> dict[str, Any]:
    """The row of a mean over problems with its interval, null where there are too few for one."""
    found = np.array([*values.values()], np.float64)
    if not len(found):
        return {"n_problems": 0, "reason": "no problem has a value", **row}
    low, high = interval(found, conf)
    return _row(float(found.mean()), low, high, len(found), row)


def difference(
    first: Mapping[str, float], second: Mapping[str, float], conf: Agreement, row: Row = ALL
) -> dict[str, Any]:
    """The row of the mean of first − second over the problems that have both."""
    return mean({name: first[name] - second[name] for name in first if name in second}, conf, row)


def share_recovered(
    done: Mapping[str, float],
    base: Mapping[str, float],
    target: Mapping[str, float],
    conf: Agreement,
    row: Row = ALL,
) -> dict[str, Any]:
    """The row of (done − base) / (target − base) of means over problems.

    Undefined, and said so, where the interval of the gap target − base holds 0.
    """
    names = [name for name in done if name in base and name in target]
    if not names:
        return {"n_problems": 0, "reason": "no problem has a value", **row}
    parts = np.array([[part[name] for name in names] for part in (done, base, target)])
    low, high = interval(parts[2] - parts[1], conf)
    if not (low > 0 or high < 0):
        gap = float((parts[2] - parts[1]).mean())
        reason = f"the gap, {gap:.3f} [{low:.3f}, {high:.3f}], may be 0"
        if np.isnan(low):
            reason = f"{len(names)} problems are too few for an interval of the gap, {gap:.3f}"
        return {"n_problems": len(names), "reason": reason, **row}
    value, ends = estimate(parts[:, None, :], _recovered, [conf.confidence], conf)
    return _row(float(value[0]), float(ends[0, 0, 0]), float(ends[0, 0, 1]), len(names), row)


def _recovered(parts: np.ndarray) -> np.ndarray:
    return (parts[0] - parts[1]) / (parts[2] - parts[1])


def summary_frame(found: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows as the summary of an intervention."""
    return rows([dict(row) for row in found], schema.VALIDATION_SUMMARY)


def _row(value: float, low: float, high: float, n: int, row: Mapping[str, Any]) -> dict[str, Any]:
    ends = {k: None if np.isnan(end) else end for k, end in (("low", low), ("high", high))}
    return {"value": value, **ends, "n_problems": n, **row}
