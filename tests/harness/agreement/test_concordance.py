import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.agreement.overall import concordance
from tests.harness.comparing import compare, load, one, trait

tied = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=2, max_size=8)


def kendall_w(scores):
    return concordance.kendall_w(scores, np.zeros(scores.shape[1], int))[0]


def krippendorff_alpha(scores):
    return concordance.krippendorff_alpha(scores, np.zeros(scores.shape[1], int))[0]


def alpha_by_pairs(ranks):
    """Krippendorff's definition: mean squared difference within sentences over that overall."""
    units = [column[np.isfinite(column)] for column in ranks.T]
    units = [unit for unit in units if len(unit) > 1]
    every = np.concatenate(units)
    within = sum(((u[:, None] - u) ** 2).sum() / (len(u) - 1) for u in units) / len(every)
    overall = ((every[:, None] - every) ** 2).sum() / len(every) / (len(every) - 1)
    return 1 - within / overall


class TestKendallW:
    def test_by_hand(self):
        # rank sums 4, 5, 9 around 6: 12·14 / (9·24)
        scores = np.array([[1.0, 2, 3], [1, 2, 3], [2, 1, 3]])
        assert kendall_w(scores) == pytest.approx(12 * 14 / (9 * 24))

    def test_identical_scores_agree_whole_even_when_tied(self):
        assert kendall_w(np.tile([3.0, 1, 1, 0], (4, 1))) == pytest.approx(1)

    @settings(max_examples=50, deadline=None)
    @given(st.permutations(range(6)), st.permutations(range(6)))
    def test_it_is_the_mean_spearman_without_ties(self, first, second):
        scores = np.array([range(6), first, second], dtype=float)
        mean = np.mean(
            [stats.spearmanr(scores[i], scores[j])[0] for i, j in ((0, 1), (0, 2), (1, 2))]
        )
        assert kendall_w(scores) == pytest.approx((1 + 2 * mean) / 3)

    def test_its_chance_level_is_one_over_m(self):
        rng = np.random.default_rng(0)
        values = [kendall_w(rng.normal(size=(5, 12))) for _ in range(1000)]
        assert np.mean(values) == pytest.approx(1 / 5, abs=0.01)

    def test_only_sentences_that_all_define(self):
        scores = np.array([[1.0, 2, 3, np.nan, 5], [1, 2, 3, 4, np.nan]])
        assert kendall_w(scores) == pytest.approx(1)
        assert np.isnan(kendall_w(scores[:1]))
        assert np.isnan(kendall_w(np.array([[1.0, 2], [3, 3]])))


class TestKrippendorffAlpha:
    @settings(max_examples=50, deadline=None)
    @given(tied)
    def test_against_its_definition(self, rows):
        scores = np.array(rows, dtype=float).T
        scores[0, 0] = np.nan
        ranks = np.full(scores.shape, np.nan)
        for rank, row in zip(ranks, scores, strict=True):
            known = np.isfinite(row)
            rank[known] = (stats.rankdata(row[known]) - 0.5) / known.sum()
        if all(np.ptp(v[np.isfinite(v)]) == 0 for v in ranks):
            return
        assert krippendorff_alpha(scores) == pytest.approx(alpha_by_pairs(ranks))

    def test_against_the_krippendorff_package(self):
        package = pytest.importorskip("krippendorff", reason="the package is not installed")
        scores = np.random.default_rng(0).normal(size=(4, 20))
        scores[1, 3:7] = np.nan
        known = np.isfinite(scores).sum(1, keepdims=True)
        ranks = (stats.rankdata(scores, axis=1, nan_policy="omit") - 0.5) / known
        theirs = package.alpha(reliability_data=ranks, level_of_measurement="interval")
        assert krippendorff_alpha(scores) == pytest.approx(theirs)

    def test_chance_is_zero_and_equality_one(self):
        rng = np.random.default_rng(0)
        values = [krippendorff_alpha(rng.normal(size=(3, 40))) for _ in range(300)]
        assert np.mean(values) == pytest.approx(0, abs=0.02)
        assert krippendorff_alpha(np.tile(rng.normal(size=9), (3, 1))) == pytest.approx(1)
        assert np.isnan(krippendorff_alpha(np.ones((3, 5))))


def test_traces_do_not_touch_each_other():
    rng = np.random.default_rng(0)
    scores = np.round(rng.normal(size=(3, 60)), 1)
    scores[1, 20:23] = np.nan
    trace = np.repeat([0, 1, 2], [8, 30, 22])
    for measure in (concordance.kendall_w, concordance.krippendorff_alpha):
        alone = [
            measure(part, np.zeros(part.shape[1], int))[0] for part in np.split(scores, [8, 38], 1)
        ]
        assert measure(scores, trace) == pytest.approx(alone)


class TestSummary:
    def found(self):
        rng = np.random.default_rng(0)
        cells = [(f"p{i}", f"t{i}") for i in range(12)]
        truth = {
            "x": {c: rng.normal(size=30) for c in cells},
            "y": {c: rng.normal(size=30) for c in cells},
        }
        values = {
            f + str(i): {c: truth[f][c] + 0.5 * rng.normal(size=30) for c in cells}
            for f in "xy"
            for i in range(2)
        }
        values["base"] = values["x0"]
        values["silent"] = {c: np.full(30, np.nan) for c in cells}
        traits = {m: trait(m[0]) for m in values} | {"base": trait("baseline")}
        return compare(values, load(), traits).summary

    def test_families_agree_within_and_not_between(self):
        found = self.found()
        within, between, contrast = (
            one(found, measure=f"family_{name}", control="none", statistic="topdown")["value"]
            for name in ("within", "between", "contrast")
        )
        assert within > 0.7
        assert abs(between) < 0.1
        assert contrast == pytest.approx(within - between)
        assert one(found, measure="family_contrast", control="all")["low"] > 0.5

    def test_each_two_families_and_each_one_under_every_control(self):
        found = self.found().filter(statistic="spearman")
        means = {
            (row["measure"], row["control"]): (row["value"], row["n_pairs"])
            for row in found.to_dicts()
        }
        for control in ("none", "structure", "all"):
            value, pairs = means["x ~ y", control]
            assert (abs(value) < 0.1, pairs) == (True, 4)
            assert means["within x", control][0] > 0.6
            assert means["within x", control][1] == 1
        assert means["family_between", "none"] == means["x ~ y", "none"]
        both = [means[f"within {f}", "none"][0] for f in "xy"]
        assert means["family_within", "none"] == pytest.approx((np.mean(both), 2))

    def test_chance_levels_and_counts(self):
        found = self.found()
        w = one(found, measure="kendall_w")
        assert w["chance"] == pytest.approx(1 / 4)  # neither the baseline nor the silent one
        assert w["n_problems"] == 12
        assert w["low"] > 1 / 4
        assert one(found, measure="krippendorff_alpha")["chance"] == 0
