"""Change-points beside the sum over all ways of cutting, one by one."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaln

from harness.statistics.changes import likelihood, smoothed

RATES = (0.05, 0.3)


def slow(counts, rate, alpha):
    """Every set of sentences that change the answers, by its probability."""
    n, width = counts.shape
    total, p, change = 0.0, np.zeros(counts.shape), np.zeros(n - 1)
    for many in range(n):
        for cuts in combinations(range(1, n), many):
            weight = rate**many * (1 - rate) ** (n - 1 - many)
            mean = np.zeros(counts.shape)
            for a, b in pairwise([0, *cuts, n]):
                each = counts[a:b].sum(axis=0)
                share = alpha / width
                log = gammaln(each + share).sum() - width * gammaln(share)
                weight *= np.exp(log + gammaln(alpha) - gammaln(each.sum() + alpha))
                mean[a:b] = (each + share) / (each.sum() + alpha)
            total += weight
            p += weight * mean
            change[[cut - 1 for cut in cuts]] += weight
    return p / total, change / total, np.log(total)


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=6),
    st.floats(0.01, 0.99),
    st.floats(0.1, 5),
)
def test_the_fast_sum_is_the_sum_over_all_ways_of_cutting(rows, rate, alpha):
    counts = np.array(rows)
    p, change, evidence = slow(counts, rate, alpha)
    found = smoothed(counts, [rate], alpha)
    np.testing.assert_allclose(found.p, p, atol=1e-9)
    np.testing.assert_allclose(found.change, change, atol=1e-9)
    assert found.evidence == pytest.approx(evidence)


def test_several_rates_count_by_their_evidence():
    counts = np.array([[9, 0], [0, 9], [0, 9]])
    each = [slow(counts, rate, 1.0) for rate in RATES]
    share = np.exp([e for *_, e in each])
    expected = sum(w * p for w, (p, *_) in zip(share / share.sum(), each, strict=True))
    found = smoothed(counts, RATES, 1.0)
    np.testing.assert_allclose(found.p, expected)
    assert found.evidence == pytest.approx(np.log(share.mean()))


def test_a_clear_change_is_found_and_no_other():
    counts = np.array([[20, 0]] * 5 + [[0, 20]] * 5)
    found = smoothed(counts, RATES, 1.0)
    assert found.change[4] > 0.99
    assert np.delete(found.change, 4).max() < 0.1
    np.testing.assert_allclose(found.p.sum(axis=1), 1)


def test_a_boundary_without_draws_has_its_neighbours_answers():
    found = smoothed(np.array([[30, 0], [0, 0], [30, 0]]), RATES, 1.0)
    assert found.p[1, 0] > 0.9


def test_draws_of_one_kind_are_certain():
    assert likelihood(np.array([[7]]), 1.0) == pytest.approx([0.0])


@pytest.mark.parametrize("n", [400])
def test_long_traces_lose_nothing_to_rounding(n: int):
    counts = np.random.default_rng(0).multinomial(100, [0.7, 0.2, 0.1], n)
    found = smoothed(counts, RATES, 1.0)
    np.testing.assert_allclose(found.p.sum(axis=1), 1)
    assert ((found.p > -1e-12) & (found.p < 1)).all()
    assert ((found.change > -1e-12) & (found.change < 1)).all()
