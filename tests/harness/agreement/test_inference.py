from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.agreement.inference import (
    bca,
    benjamini_hochberg,
    estimate,
    flipped,
    interval,
    max_t,
    mean,
    sign_flip,
    signs,
    student,
)
from harness.agreement.reliability import disattenuated
from tests.harness.comparing import load


@pytest.fixture
def conf():
    return load()


def p_of(values, flips):
    return sign_flip(flipped(np.array(values, dtype=float)[None], flips))[0]


class TestInterval:
    @pytest.mark.parametrize("seed", range(3))
    def test_bca_is_scipy_s_on_the_same_draws(self, seed):
        values = np.random.default_rng(seed).exponential(size=25)
        theirs = stats.bootstrap((values,), np.mean, n_resamples=500, random_state=seed)
        jackknife = np.array([np.delete(values, i).mean() for i in range(25)])
        ours = bca(values.mean(), theirs.bootstrap_distribution, jackknife, stats.norm.ppf(0.975))
        assert ours == pytest.approx(tuple(theirs.confidence_interval), rel=1e-12)

    def test_from_twenty_problems_bca_as_wide_as_student_s_t(self, conf):
        values = np.random.default_rng(0).exponential(size=20)
        conf = replace(conf, draws=20000)
        level = 2 * stats.norm.cdf(np.sqrt(20 / 19) * stats.t.ppf(0.975, 19)) - 1
        theirs = stats.bootstrap(
            (values,), np.mean, n_resamples=20000, random_state=1, confidence_level=level
        )
        assert interval(values, conf) == pytest.approx(
            tuple(theirs.confidence_interval), abs=0.03 * values.std()
        )

    @pytest.mark.parametrize("n", [10, 19])
    def test_from_ten_problems_student_s_t(self, conf, n):
        values = np.random.default_rng(0).normal(0.3, 1, size=n)
        theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert interval(values, conf) == pytest.approx((theirs.low, theirs.high))

    def test_below_ten_problems_nothing(self, conf):
        assert np.isnan(interval(np.arange(9.0), conf)).all()
        assert np.isnan(interval(np.empty(0), conf)).all()

    def test_identical_problems_have_no_width(self, conf):
        assert interval(np.full(30, 0.7), conf) == pytest.approx((0.7, 0.7))

    def test_an_undefined_problem_is_left_out(self, conf):
        values = np.random.default_rng(0).normal(size=15)
        holed = np.insert(values, 4, np.nan)[None, None]
        value, bounds = estimate(holed, mean, [0.95], conf)
        assert value[0] == pytest.approx(values.mean())
        assert tuple(bounds[0, 0]) == pytest.approx(interval(values, conf))

    def test_that_of_a_ratio_draws_its_parts_together(self, conf):
        rng = np.random.default_rng(0)
        a, b = rng.uniform(0.4, 0.9, size=(2, 40))
        parts = np.stack([0.7 * np.sqrt(a * b), a, b, np.zeros(40)])[:, None]
        value, bounds = estimate(parts, disattenuated, [0.95], conf)
        assert value[0] == pytest.approx(0.7, abs=0.02)
        theirs = stats.bootstrap(
            tuple(parts[:3, 0]),
            lambda r, x, y, axis: r.mean(axis) / np.sqrt(x.mean(axis) * y.mean(axis)),
            paired=True, n_resamples=4000, random_state=0,
        )  # fmt: skip
        assert tuple(bounds[0, 0]) == pytest.approx(tuple(theirs.confidence_interval), abs=0.003)

    def test_rows_do_not_touch_each_other(self, conf):
        values = np.random.default_rng(0).normal(size=(1, 300, 24))
        together = estimate(values, mean, [0.95], conf)[1][0]
        assert tuple(together[257]) == pytest.approx(interval(values[0, 257], conf))


class TestSignFlip:
    def test_by_hand(self):
        assert p_of([1, 1, 1], signs(3, 2000, 0)) == 2 / 8
        assert p_of([1, -1], signs(2, 2000, 0)) == 1
        assert p_of([1, np.nan, 1], signs(3, 2000, 0)) == 2 / 4

    def test_it_is_scipy_s(self):
        values = np.random.default_rng(0).normal(0.5, 1, size=9)
        theirs = stats.permutation_test(
            (values,), np.mean, permutation_type="samples", vectorized=True
        )
        assert p_of(values, signs(9, 2000, 0)) == pytest.approx(theirs.pvalue)

    def test_random_flips_approach_all_of_them(self):
        values = np.random.default_rng(1).normal(0.3, 1, size=12)
        exact = p_of(values, signs(12, 5000, 0))
        assert p_of(values, signs(12, 4000, 0)) == pytest.approx(exact, abs=0.03)
        assert len(signs(12, 5000, 0)) == 4096
        assert len(signs(12, 4000, 0)) == 4001

    def test_p_is_never_zero(self):
        assert p_of(np.ones(60), signs(60, 2000, 0)) == 1 / 2001

    def test_its_statistic_is_student_s(self):
        values = np.random.default_rng(0).normal(0.3, 1, size=(2, 14))
        t = flipped(values, signs(14, 100, 0))
        theirs = stats.ttest_1samp(values, 0, axis=1)
        assert t[0] == pytest.approx(np.abs(theirs.statistic))
        assert student(values) == pytest.approx(theirs.pvalue)


class TestFamilies:
    def test_max_t_by_hand(self):
        # all eight flips: what reaches the |t| of (1, 1, 2) are its own two with equal signs, and
        # the two that make (1, 1, -1) equal; that of the latter is reached by each
        t = flipped(np.array([[1.0, 1, 2], [1, 1, -1]]), signs(3, 100, 0))
        assert max_t(t) == pytest.approx([4 / 8, 1])

    def test_max_t_is_no_smaller_than_each_p_and_no_larger_than_their_sum(self):
        values = np.random.default_rng(3).normal(0.4, 1, size=(5, 16))
        values[2, :5] = np.nan
        t = flipped(values, signs(16, 4000, 0))
        p, jointly = sign_flip(t), max_t(t)
        assert (jointly >= p).all()
        assert (jointly <= np.minimum(1, 5 * p) + 0.02).all()

    def test_a_row_of_one_problem_is_no_test_and_harms_none(self):
        values = np.full((2, 12), np.nan)
        values[0] = np.random.default_rng(0).normal(0.5, 1, 12)
        t = flipped(values, signs(12, 5000, 0))
        assert np.isnan(sign_flip(t)[1])
        assert np.isnan(max_t(t)[1])
        assert max_t(t)[0] == sign_flip(t)[0]

    def test_benjamini_hochberg_by_hand(self):
        q = benjamini_hochberg(np.array([0.01, np.nan, 0.04, 0.03]))
        assert q == pytest.approx([0.03, np.nan, 0.04, 0.04], nan_ok=True)
        assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()
