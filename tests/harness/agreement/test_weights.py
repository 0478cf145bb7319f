from dataclasses import replace

import numpy as np
import pytest

from harness.agreement.inference import estimate, mean
from harness.agreement.weights import weights
from tests.harness.comparing import compare, load, one

RANDOM = replace(load(), weights="random_effects")


def drawn():
    rng = np.random.default_rng(0)
    sizes = rng.integers(8, 250, 25)
    return 0.3 + 0.2 * rng.normal(size=25) + rng.normal(size=25) / np.sqrt(sizes - 1), sizes


def test_by_hand():
    # precisions 10 and 30, mean .375, Q = 1.875, so that tau² = .875 / 15
    found = weights(np.array([0.0, 0.5]), np.array([12, 31]), np.array([2, 1]), RANDOM)
    tau = 0.875 / 15
    alone = np.array([1 / (tau + 1 / 10), 1 / (tau + 1 / 30)])
    assert found == pytest.approx(alone / alone.mean())
    value = estimate(np.array([[[0.0, 0.5]]]), mean, [0.95], RANDOM, found[None])[0][0]
    assert value == pytest.approx(0.5 * alone[1] / alone.sum())


def test_problems_that_differ_by_chance_alone_count_by_their_sentences():
    found = weights(np.full(3, 0.2), np.array([11, 21, 31]), np.ones(3, int), RANDOM)
    assert found == pytest.approx([0.5, 1, 1.5])


def test_problems_count_alike_unless_asked():
    values, sizes = drawn()
    assert (weights(values, sizes, np.ones(25, int), load()) == 1).all()


def test_a_problem_without_value_takes_no_weight_from_the_others():
    values, sizes = drawn()
    holed, n = np.append(values, np.nan), np.append(sizes, 30)
    found = weights(holed, n, np.ones(26, int), RANDOM)
    assert found[:25] == pytest.approx(weights(values, sizes, np.ones(25, int), RANDOM))


def test_the_row_is_the_weighted_mean_of_its_dots():
    rng = np.random.default_rng(0)
    sizes = rng.integers(8, 120, 14)
    values = {
        m: {(f"p{i:02}", f"t{i}"): rng.normal(size=n) for i, n in enumerate(sizes)} for m in "ab"
    }
    found = compare(values, RANDOM)
    assert "agreement.weights=random_effects" in one(found.notes, method=None)["reason"]
    where = {"statistic": "spearman", "control": "none"}
    dots = found.by_problem.filter(**where)
    expected = np.average(dots["value"], weights=dots["weight"])
    assert one(found.agreement, **where)["value"] == pytest.approx(expected)
    assert np.corrcoef(dots["weight"], dots["n_sentences"])[0, 1] > 0.5
