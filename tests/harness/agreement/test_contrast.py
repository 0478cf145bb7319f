import numpy as np
import polars as pl
import pytest
from scipy import stats

from harness.agreement import agreement
from tests.harness.comparing import by_method, covariates, load, long, one, traces_of


def compared(problems, both=False):
    """Two methods that agree where the answer is right, and only there.

    Of each problem one trace is right and one wrong, or by turns.
    """
    rng = np.random.default_rng(0)
    values, right = {"a": {}, "b": {}}, {}
    for i in range(problems):
        for kind in (1, 0) if both else (i % 2,):
            cell = (f"p{i:02}", f"t{i:02}{kind}")
            x, y = rng.normal(size=(2, 20))
            values["a"][cell], values["b"][cell] = x, 2 * x * kind + y
            right[cell[1]] = bool(kind)
    scores = long(values)
    traces = traces_of(values).with_columns(
        correct=pl.col("trace_id").replace_strict(right, return_dtype=pl.Boolean)
    )
    found = agreement(by_method(scores), traces, covariates(scores), {}, load())
    return found.by_correctness, values


def means(values, kind):
    return np.mean([
        stats.spearmanr(values["a"][c], values["b"][c]).statistic
        for c in values["a"] if c[1].endswith(kind)
    ])  # fmt: skip


@pytest.mark.parametrize("both", [False, True])
def test_correct_minus_incorrect(both):
    found, values = compared(30, both)
    row = one(found, statistic="spearman", control="none")
    right, wrong = (means(values, kind) for kind in "10")
    assert (row["correct"], row["incorrect"]) == pytest.approx((right, wrong))
    assert row["difference"] == pytest.approx(right - wrong)
    assert row["low"] < row["difference"] < row["high"]
    assert row["low"] > 0.5
    assert row["n_correct"] == row["n_incorrect"] == (30 if both else 15)
    assert set(found["statistic"]) == {"spearman", "topdown"}
    assert set(found["control"]) == {"none", "structure"}


def test_fewer_than_ten_problems_of_a_kind_are_not_contrasted():
    assert compared(19)[0].is_empty()
    assert len(compared(20)[0]) == 4


def test_nothing_is_known_of_traces_without_an_answer():
    scores = long({m: {("p", "t"): [1.0, 2, 3]} for m in "ab"})
    traces = pl.DataFrame({"trace_id": ["t"], "problem_id": ["p"], "model": ["m"]})
    found = agreement(by_method(scores), traces, covariates(scores), {}, load())
    assert found.by_correctness.is_empty()
