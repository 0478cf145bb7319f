"""Thresholds and probes, by hand and beside their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import Ridge

from harness.statistics.probes import correlation, ridge, standardised, threshold

NAN = np.nan


def test_thresholds_by_hand():
    values, ones = np.array([0.1, 0.9, 0.5, 0.3]), np.ones(4)
    assert threshold(values, ones, 0.25) == 0.9
    assert threshold(values, ones, 0.45) == 0.5
    assert threshold(values, ones, 0.99) == 0.1
    # Those that are equal pass together, by their weight in all.
    assert threshold(np.array([1.0, 2.0, 2.0]), np.array([8.0, 1.0, 1.0]), 0.15) == 2.0
    assert threshold(np.array([NAN, 1.0, 2.0]), np.array([8.0, 1.0, 1.0]), 0.2) == 1.0
    with pytest.raises(ValueError, match="no value"):
        threshold(np.array([NAN]), np.ones(1), 0.1)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), min_size=1, max_size=30),
    st.floats(0.01, 0.99),
)
def test_no_other_value_comes_closer(pairs: list[tuple[int, int]], share: float):
    values, weights = (np.array(each, float) for each in zip(*pairs, strict=True))

    def apart(at: float) -> float:
        return abs(weights[values >= at].sum() / weights.sum() - share)

    chosen = apart(threshold(values, weights, share))
    assert all(chosen <= apart(value) + 1e-12 for value in values)


def test_ridge_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    states = rng.normal(3, [1, 10, 0.1, 5], (40, 4))
    states[:, 3] = 2.0  # never changes
    scores = states @ [0.5, -0.2, 4, 0] + rng.normal(size=40)
    probe = ridge(states, scores, 0.3)
    x = (states[:, :3] - states[:, :3].mean(0)) / states[:, :3].std(0)
    known = Ridge(alpha=0.3 * 40).fit(x, scores)
    np.testing.assert_allclose(probe.of(states), known.predict(x), rtol=1e-9)
    assert probe.vector[3] == 0
    np.testing.assert_allclose(ridge(states, scores, 1e9).of(states), scores.mean(), rtol=1e-6)


def test_scores_are_standardised_within_a_trace():
    found = standardised(np.array([1.0, NAN, 3.0, 2.0]), signed=False)
    step = np.sqrt(1.5)
    np.testing.assert_allclose(found, [-step, NAN, step, 0])
    np.testing.assert_allclose(
        standardised(np.array([-3.0, 1.0, 2.0]), signed=True), [step, -step, 0]
    )
    for flat in ([1.0, 1.0], [NAN, 1.0], [NAN, NAN]):
        assert np.isnan(standardised(np.array(flat), signed=False)).all()


def test_correlation():
    assert correlation([1.0, 2.0, NAN, 4.0], [2.0, 4.0, 1.0, 8.0]) == pytest.approx(1)
    assert np.isnan(correlation([1.0, 2.0, NAN], [2.0, 4.0, 1.0]))
    assert np.isnan(correlation([1.0, 1.0, 1.0], [2.0, 4.0, 1.0]))
