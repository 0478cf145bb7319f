from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from harness.claims import claims_frame
from harness.claims.claim import Claim
from harness.claims.phases import TwoPhases, curves, slope
from harness.store import schema
from tests.harness.claims.made import NOTHING, frames

TEST = TwoPhases("own", 0.05)
STEPS = (0.0, 9.0, 99.0, 999.0, 9999.0)  # log(step + 1) is 0, 1, 2, 3, 4 times log 10
E = np.log(10)
NOISE = np.random.default_rng(0).normal(0, 0.002, (24, 2, 5))


def series(
    planning: Callable[[int], float], execution: Callable[[int], float], problems: int = 24
) -> pl.DataFrame:
    """Entropies by problem at five checkpoints, a little noise on them."""
    rows = [
        (f"step_{step:g}", step, "own", kind, "entropy", f"p{i}", level(at) + NOISE[i, k, at])
        for i in range(problems)
        for k, (kind, level) in enumerate({"planning": planning, "execution": execution}.items())
        for at, step in enumerate(STEPS)
    ]
    return pl.DataFrame(rows, schema=schema.DYNAMICS_BY_PROBLEM, orient="row")


def judged(dynamics: pl.DataFrame) -> pl.DataFrame:
    claim = Claim("It is so.", "somewhere", 0.0, 0.0, NOTHING, (), TEST)
    return claims_frame({"two_phases": claim}, frames({}, dynamics=dynamics))


def falls_then_flat(at: int) -> float:
    return max(0.1, 0.9 - 0.4 * at)


def rises_late(at: int) -> float:
    return 0.5 + 0.2 * max(0, at - 2)


def test_a_slope_is_that_of_a_line():
    at = np.array([0.0, 1.0, 3.0])
    assert slope(np.array([[1.0, 3.0, 7.0], [4.0, 4.0, 4.0]]), at) == pytest.approx([2.0, 0.0])
    assert slope(np.array([[0.0, 1.0, 0.0]]), np.array([0.0, 1.0, 2.0])) == pytest.approx([0.0])


def test_two_phases_are_found():
    found = judged(series(rises_late, falls_then_flat))
    assert found["verdict"].to_list() == ["supported"] * 5
    effect = dict(found.select("part", "effect").iter_rows())
    assert effect["planning − execution, second half"] == pytest.approx(0.2 / E, abs=0.002)
    assert effect["execution falls, first half"] == pytest.approx(0.4 / E, abs=0.002)
    assert effect["execution is flat, second half"] == pytest.approx(0.05, abs=0.002)


def test_planning_that_falls_contradicts():
    found = judged(series(lambda at: 0.9 - 0.2 * at, falls_then_flat))
    assert found["verdict"][0] == "contradicted"


def test_planning_that_stays_is_no_second_phase_though_execution_goes_on_to_fall():
    """The difference of the slopes alone would say that there are two."""
    found = judged(series(lambda _: 0.5, lambda at: 0.9 - 0.2 * at))
    verdict = dict(found.select("part", "verdict").iter_rows())
    assert verdict["planning − execution, second half"] == "supported"
    assert verdict["execution is flat, second half"] == "contradicted"
    assert found["verdict"][0] == "contradicted"
    flat = judged(series(lambda _: 0.5, falls_then_flat))
    assert flat["verdict"][0] == "undecided"


def test_few_problems_decide_nothing():
    found = judged(series(rises_late, falls_then_flat, problems=5))
    assert found["verdict"][0] == "undecided"
    assert found["missing"][0] == "5 problems: at least 10 are needed"


def test_a_series_that_is_too_short_or_missing_is_named():
    two = series(rises_late, falls_then_flat).filter(pl.col("step") < 50)
    assert judged(two)["missing"][0] == (
        "add checkpoints to model.series: 3 at least, there are step_0, step_9"
    )
    none = judged(pl.DataFrame(schema=schema.DYNAMICS_BY_PROBLEM))
    assert none["verdict"][0] == "not tested"
    assert none["missing"][0].startswith("add a series: python -m harness.dynamics run=r, as")


def test_a_problem_without_planning_somewhere_is_left_out():
    dynamics = series(rises_late, falls_then_flat)
    lacks = (pl.col("problem_id") == "p3") & (pl.col("class") == "planning") & (pl.col("step") == 9)
    planning, execution = curves(dynamics.filter(~lacks), dynamics["checkpoint"].unique().to_list())
    assert planning.shape == execution.shape == (23, 5)
