"""Effects over problems, worked out by hand."""

import numpy as np
import polars as pl
import pytest

from harness.interventions.validation.effects import (
    by_problem,
    difference,
    mean,
    share_recovered,
    summary_frame,
)
from harness.store import schema
from tests.harness.interventions.made import AGREEMENT

ROWS = pl.DataFrame(
    {
        "problem_id": ["a", "a", "a", "b", "b"],
        "trace_id": ["a#0", "a#0", "a#1", "b#0", "b#0"],
        "part": ["x", "x", "x", "x", "y"],
        "measure": ["m"] * 5,
        "value": [0.0, 1.0, 1.0, None, 0.25],
    }
)


def several(shift: float, n: int = 30, spread: float = 0.1) -> dict[str, float]:
    noise = np.random.default_rng(1).normal(size=n) * spread
    return {f"p{i}": float(shift + noise[i]) for i in range(n)}


def test_a_problem_is_the_mean_of_its_traces_not_of_its_rows():
    assert by_problem(ROWS, {"part": "x"}) == {"a": 0.75}  # (.5 + 1) / 2; b has no value
    assert by_problem(ROWS, {"part": "y", "measure": "m"}) == {"b": 0.25}


def test_a_mean_has_an_interval_from_ten_problems_on():
    few = mean(several(0.5, 9), AGREEMENT, {"part": "x"})
    assert few["low"] is None
    assert few["n_problems"] == 9
    row = mean(several(0.5), AGREEMENT, {"part": "x"})
    assert row["low"] < row["value"] < row["high"]
    assert mean({}, AGREEMENT)["reason"] == "no problem has a value"


def test_a_difference_is_of_problems_that_have_both():
    row = difference({"a": 1.0, "b": 0.5}, {"b": 0.25, "c": 9.0}, AGREEMENT)
    assert (row["value"], row["n_problems"]) == (0.25, 1)


def test_half_of_a_gap_is_recovered():
    base = several(0.4)
    target = {name: value + 0.2 for name, value in base.items()}
    half = {name: value + 0.1 for name, value in base.items()}
    row = share_recovered(half, base, target, AGREEMENT, {"part": "x"})
    assert row["value"] == pytest.approx(0.5)
    assert row["low"] == pytest.approx(0.5)
    worse = {name: value - 0.1 for name, value in base.items()}
    assert share_recovered(worse, base, target, AGREEMENT)["value"] == pytest.approx(-0.5)


def test_a_gap_that_may_be_none_leaves_nothing_to_recover():
    base, noise = several(0.4), several(0.0, spread=0.3)
    target = {name: base[name] + noise[name] for name in base}
    row = share_recovered(base, base, target, AGREEMENT, {"part": "x"})
    assert row.get("value") is None
    assert "may be 0" in row["reason"]
    few = share_recovered({"a": 1.0}, {"a": 0.0}, {"a": 1.0}, AGREEMENT)
    assert "too few" in few["reason"]
    frame = summary_frame([row, few])
    assert dict(frame.schema) == dict(schema.VALIDATION_SUMMARY)
    assert frame["value"].null_count() == 2
