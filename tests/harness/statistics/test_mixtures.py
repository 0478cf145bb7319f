"""Mixtures by known weights: by hand, and beside draws of the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.statistics.distances import Contrast, floor, total_variation
from harness.statistics.mixtures import Mixture, contrasted, joined, mixture, sample, weights

TV = Contrast("tv", 1.0, subtract_floor=True, floor_draws=400)


def test_weights_by_hand():
    """Two sentences, written again with .5 and .2."""
    found = weights(np.log([0.5, 0.2]))
    np.testing.assert_allclose(found, [[0.5, 0.4, 0.1], [0, 0.8, 0.2], [0, 0, 1]])


def test_weights_at_the_ends():
    """One never written, one always; what is not known reaches back to what is never written."""
    np.testing.assert_array_equal(
        weights(np.array([-np.inf, 0.0])), [[1, 0, 0], [0, 0, 1], [0, 0, 1]]
    )
    found = weights(np.array([-1.0, -np.inf, -1.0, np.nan, -1.0]))
    assert np.isnan(found).any(axis=1).tolist() == [False, False, True, True, False, False]
    assert weights(np.zeros(0)).tolist() == [[1.0]]


@given(st.lists(st.floats(-8, 0), max_size=8))
def test_rows_of_weights_sum_to_one(logprob):
    found = weights(np.array(logprob, float))
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert (np.tril(found, -1) == 0).all()


def test_mixture_by_hand():
    """Of those that leave 3 of 4 say A, then 2 of 4; nobody is needed where all write it again."""
    left = np.array([[3, 1], [0, 0], [2, 2]])
    found = mixture(left, np.array([np.log(0.5), 0.0]))
    np.testing.assert_allclose(found.p, [[0.625, 0.375], [0.5, 0.5], [0.5, 0.5]])
    # Of a draw the answers vary by 1 - sum p^2: 15/32 in all; 3/8 and 1/2 of those that leave, each
    # of a mean over 4 that has half of the weight.
    number = 1 + (15 / 32) / (0.25 * (3 / 8 + 1 / 2) / 3)
    assert found.number.tolist() == pytest.approx([number, 4, 4])
    apart = mixture(np.array([[4, 0], [0, 4]]), np.log([0.5]))
    assert apart.number.tolist() == [8, 4]  # which do not vary at all: no more than are drawn


def test_a_mixture_of_one_answer_is_worth_what_counts_equally():
    found = mixture(np.array([[4, 0], [4, 0]]), np.log([0.5]))
    assert found.number.tolist() == [8, 4]


def test_draws_that_are_missing_leave_what_rests_on_them_unknown():
    left = np.array([[2, 2], [0, 0], [1, 3]])
    found = mixture(left, np.log([0.5, 0.5]))
    assert np.isnan(found.p).all(axis=1).tolist() == [True, True, False]
    assert np.isnan(found.number).tolist() == [True, True, False]
    never = mixture(left, np.array([-np.inf, -1.0]))
    assert np.isnan(never.number).tolist() == [False, True, False]


def test_the_number_of_draws_gives_the_variance():
    rng, times = np.random.default_rng(0), 3000
    q, logprob = np.array([[0.6, 0.4], [0.5, 0.5], [0.4, 0.6]]), np.log([0.6, 0.7])
    made = [
        mixture(np.array([rng.multinomial(20, row) for row in q]), logprob) for _ in range(times)
    ]
    p = np.array([each.p[0] for each in made])
    expected = weights(logprob)[0] @ q
    np.testing.assert_allclose(p.mean(axis=0), expected, atol=0.006)
    worth = (1 - (expected**2).sum()) / p.var(axis=0).sum()
    assert np.mean([each.number[0] for each in made]) == pytest.approx(worth, rel=0.1)


def test_joined_by_hand():
    a, b = sample(np.array([[4, 0], [4, 0]])), sample(np.array([[0, 2], [0, 0]]))
    found = joined(a, b, np.array([0.25, 0.0]))
    np.testing.assert_allclose(found.p, [[0.75, 0.25], [1, 0]])
    np.testing.assert_allclose(found.number, [1 / (0.75**2 / 4 + 0.25**2 / 2), 4])


def test_contrasted_by_hand():
    """Half of those before write it again: half of the distance of those that leave."""
    own, kept = np.array([[3, 1], [4, 0], [0, 0]]), np.array([[0.25, 0.75]] * 3)
    shared = np.array([0.5, 0.0, 1.0])
    behind = Mixture(kept, np.full(3, 8.0))
    found = contrasted(TV, sample(own), behind, shared, np.random.default_rng(0))
    np.testing.assert_allclose(found.diagnostics["raw"], [0.25, 0.75, 0])
    np.testing.assert_allclose(found.diagnostics["n_without"], [1 / (0.25 / 4 + 0.25 / 8), 4, 8])
    assert found.diagnostics["floor_mean"][2] == 0
    np.testing.assert_allclose(
        found.score, found.diagnostics["raw"] - found.diagnostics["floor_mean"]
    )


def test_nothing_drawn_or_not_known_is_undefined():
    own, kept = np.array([[0, 0], [2, 2]]), np.array([[0.5, 0.5], [np.nan, np.nan]])
    found = contrasted(
        TV,
        sample(own),
        Mixture(kept, np.array([8.0, np.nan])),
        np.zeros(2),
        np.random.default_rng(0),
    )
    assert np.isnan(found.score).all()


def test_without_repeats_the_floor_is_that_of_plain_draws():
    own, after = np.array([[6, 3, 1]]), np.array([[2, 4, 4]])
    found = contrasted(TV, sample(own), sample(after), np.zeros(1), np.random.default_rng(0))
    mean, high = floor(own, after, total_variation, 4000, np.random.default_rng(1))
    assert found.diagnostics["floor_mean"] == pytest.approx(mean, rel=0.1)
    assert found.diagnostics["floor_95"] == pytest.approx(high, abs=0.1)


@pytest.mark.parametrize("name", ["tv", "js", "kl", "accuracy"])
def test_where_nothing_differs_the_score_is_zero_on_average(name):
    rng, rows = np.random.default_rng(3), 400
    q = np.array([0.3, 0.7])
    left = rng.multinomial(20, q, rows + 1)
    shared = np.full(rows, 0.6)
    kept = mixture(left, np.log(shared)).behind()
    contrast = Contrast(name, 1.0, subtract_floor=True, floor_draws=100)
    found = contrasted(contrast, sample(left[:-1]), kept, shared, rng)
    raw = np.abs(found.diagnostics["raw"])
    assert abs(found.score.mean()) < raw.mean() / 5
    assert 0.02 < (raw > found.diagnostics["floor_95"]).mean() < 0.09
