from itertools import chain, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.agreement.panel.blocks import COMPARISONS, blocks
from harness.agreement.ranks import standing
from harness.agreement.statistics import Measure, similarity
from tests.harness.comparing import load

CONF = load()

# a few small traces of tied integers, as (x, y) rows
tied = st.lists(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=9),
    min_size=1,
    max_size=4,
)
few = st.lists(st.tuples(st.integers(-2, 3), st.integers(-2, 3)), min_size=2, max_size=6)


def arrays(rows):
    return [np.array(column, dtype=np.float64) for column in zip(*rows, strict=True)]


def each(statistic, vectors, sizes, fraction=None):
    """A statistic of every two vectors, traces × vectors × vectors, and its chance."""
    trace = np.repeat(np.arange(len(sizes)), sizes)
    flat = np.array(vectors, dtype=np.float64)
    value, chance = np.full((len(sizes), len(flat), len(flat)), np.nan), np.full(len(sizes), np.nan)
    for block in blocks(trace, np.ones(len(trace), bool)):
        scores = block.rows(flat)
        measure = Measure(statistic, "none", fraction)
        found = similarity(measure, scores, standing(scores, block.inside), CONF)
        value[block.trace], chance[block.trace] = found.value, found.chance
    return value, chance


def both(statistic, x, y, fraction=None):
    """A statistic of two vectors of one trace."""
    return each(statistic, [x, y], [len(x)], fraction)[0][0, 0, 1]


def savage(values):
    """Savage scores, ties averaged, one sentence after the other."""
    n = len(values)
    by_rank = np.array([sum(1 / j for j in range(r, n + 1)) for r in range(1, n + 1)])
    above = (values[None] > values[:, None]).sum(1)
    tied = (values[None] == values[:, None]).sum(1)
    return np.array([by_rank[a : a + t].mean() for a, t in zip(above, tied, strict=True)])


class TestBlocks:
    def test_every_kept_sentence_once_in_a_row_of_its_trace(self):
        rng = np.random.default_rng(0)
        sizes = rng.integers(1, 250, 400)
        trace = np.repeat(np.arange(400), sizes)
        kept = rng.random(len(trace)) < 0.7
        kept[trace == 3] = False
        cells = []
        for block in blocks(trace, kept):
            assert (trace[block.cell] == block.trace[:, None])[block.inside].all()
            assert block.inside.shape[1] ** 2 * len(block.trace) <= max(
                COMPARISONS, block.inside.shape[1] ** 2
            )
            cells.append(block.cell[block.inside])
        assert np.sort(np.concatenate(cells)).tolist() == np.flatnonzero(kept).tolist()

    def test_nothing_kept_is_no_block(self):
        assert list(blocks(np.arange(3), np.zeros(3, bool))) == []


class TestRanks:
    @settings(max_examples=100, deadline=None)
    @given(tied)
    def test_they_are_scipy_s_in_each_trace(self, parts):
        (x, _), sizes = arrays(list(chain.from_iterable(parts))), [len(p) for p in parts]
        trace, slow = (
            np.repeat(np.arange(len(sizes)), sizes),
            [[row[0] for row in p] for p in parts],
        )
        for block in blocks(trace, np.ones(len(trace), bool)):
            stand = standing(block.rows(x[None]), block.inside)
            for t, row, inside, n in zip(
                block.trace, stand.centred[:, 0], block.inside, block.size, strict=True
            ):
                expected = (stats.rankdata(slow[t]) - (n + 1) / 2) / n
                assert row[inside] == pytest.approx(expected, abs=1e-12)
                assert (row[~inside] == 0).all()


class TestCorrelations:
    @settings(max_examples=100, deadline=None)
    @given(tied)
    def test_they_are_scipy_s_in_each_trace(self, parts):
        vectors, sizes = arrays(list(chain.from_iterable(parts))), [len(p) for p in parts]
        pairs = [arrays(part) for part in parts]
        flat = [np.ptp(a) == 0 or np.ptp(b) == 0 for a, b in pairs]
        for name, theirs in (("spearman", stats.spearmanr), ("kendall", stats.kendalltau)):
            slow = [
                np.nan if f else theirs(a, b).statistic
                for f, (a, b) in zip(flat, pairs, strict=True)
            ]
            ours = each(name, vectors, sizes)[0][:, 0, 1]
            assert ours == pytest.approx(slow, abs=1e-6, nan_ok=True)

    def test_signs_that_never_change_count_as_nothing(self):
        assert both("sign", [1, 2, 3], [2, 1, 5]) == 0
        assert both("sign", [1, 2, 3], [-2, 1, 5]) == pytest.approx(0)
        assert np.isnan(both("sign", [0, 2, 0], [2, 0, 5]))

    @settings(max_examples=50, deadline=None)
    @given(tied)
    def test_topdown_is_pearson_s_of_savage_scores(self, parts):
        vectors, sizes = arrays(list(chain.from_iterable(parts))), [len(p) for p in parts]
        slow = []
        for part in parts:
            x, y = (savage(v) for v in arrays(part))
            flat = np.ptp(x) < 1e-9 or np.ptp(y) < 1e-9
            slow.append(np.nan if flat else stats.pearsonr(x, y).statistic)
        ours = each("topdown", vectors, sizes)[0][:, 0, 1]
        assert ours == pytest.approx(slow, abs=1e-6, nan_ok=True)

    def test_topdown_by_hand(self):
        # Savage scores 1 + 1/2 + 1/3, 1/2 + 1/3 and 1/3 around 1: 5/6, −1/6, −2/3
        high, low = np.array([5, -1, -4]) / 6, np.array([5, -4, -1]) / 6
        assert both("topdown", [3, 2, 1], [3, 1, 2]) == pytest.approx(high @ low / (high @ high))
        # the same two swapped at the other end cost more
        assert both("topdown", [3, 2, 1], [2, 3, 1]) < both("topdown", [3, 2, 1], [3, 1, 2])

    def test_spearman_and_kendall_by_hand(self):
        x, y = [1, 2, 3, 4], [1, 3, 2, 4]
        assert both("spearman", x, y) == pytest.approx(0.8)  # 1 − 6·2/(4·15)
        assert both("kendall", x, y) == pytest.approx(4 / 6)  # 5 concordant, 1 not

    @pytest.mark.parametrize("n", [2, 5, 30])
    def test_weighted_tau_is_scipy_s_without_ties(self, n):
        x, y = np.random.default_rng(n).normal(size=(2, n))
        assert both("weighted_tau", x, y) == pytest.approx(stats.weightedtau(x, y)[0], abs=1e-6)

    def test_weighted_tau_shares_the_weights_of_ties(self):
        # weights 1, (1/2 + 1/3)/2 twice: by x, one pair of 17/12, two others 17/12 and 5/6
        x, y = [3, 1, 1], [3, 2, 1]
        w = 5 / 12
        by_x = 2 * (1 + w) / np.sqrt(2 * (1 + w) * (2 * (1 + w) + 2 * w))
        a, b, c = 1, 1 / 2, 1 / 3
        by_y = (2 * a + b + c) / np.sqrt((2 * a + b + c) * 2 * (a + b + c))
        assert both("weighted_tau", x, y) == pytest.approx((by_x + by_y) / 2, abs=1e-6)

    @settings(max_examples=50, deadline=None)
    @given(few)
    def test_sign_is_cohen_s_kappa(self, rows):
        x, y = arrays(rows)
        known = (x != 0) & (y != 0)
        p, q = (x > 0)[known], (y > 0)[known]
        seen = (p == q).mean() if known.any() else np.nan
        chance = p.mean() * q.mean() + (1 - p.mean()) * (1 - q.mean()) if known.any() else np.nan
        # signs that never change tell nothing of the other's, equal or not
        slow = (seen - chance) / (1 - chance) if chance < 1 - 1e-9 else 0.0
        slow = slow if known.any() else np.nan
        assert both("sign", x, y) == pytest.approx(slow, abs=1e-9, nan_ok=True)


class TestOverlap:
    def test_topk_shares_ties_at_the_edge(self):
        # k = 2: members 1, ½, ½, 0 and 0, ½, ½, 1; overlap ½ of 2, chance ½
        found = both("topk", [3, 1, 1, 0], [0, 1, 1, 3], 0.5)
        assert found == pytest.approx((0.25 - 0.5) / 0.5)

    def test_three_scores_of_sixty_overlap_themselves_by_half(self):
        x = np.r_[1.0, 2, 3, np.zeros(57)]
        overlap = (3 + 57 * (3 / 57) ** 2) / 6
        assert both("topk", x, x, 0.1) == pytest.approx((overlap - 0.1) / 0.9)

    @pytest.mark.parametrize(
        ("n", "k"), [(2, 1), (5, 1), (8, 2), (9, 3), (14, 3), (34, 3), (36, 4), (60, 6), (96, 10)]
    )
    def test_topk_takes_a_tenth_but_at_least_three_and_at_most_a_third(self, n, k):
        x = np.arange(n, dtype=np.float64)
        y = np.where(x >= n - k, x, -x)  # the same k on top, in another order below
        z = np.where(x >= n - k - 1, -x, x)
        assert both("topk", x, x) == pytest.approx(1.0)
        assert both("topk", x, y) == pytest.approx(1.0)
        if n > 2 * k + 1:
            assert both("topk", x, z) == pytest.approx(-(k / n) / (1 - k / n))

    @settings(max_examples=50, deadline=None)
    @given(few)
    def test_they_are_means_over_ties_broken_at_random(self, rows):
        x, y = arrays(rows)
        n, p = len(x), CONF.persistence
        if np.ptp(x) == 0 or np.ptp(y) == 0:
            return

        def chosen(values, k):
            tops = [sorted(o, key=lambda i: -values[i])[:k] for o in permutations(range(n))]
            return np.mean([np.isin(np.arange(n), top) for top in tops], axis=0)

        overlap = [chosen(x, k) @ chosen(y, k) / k for k in range(1, n + 1)]
        depth = np.arange(1, n + 1)
        slow = (1 - p) / p * sum(p**depth * overlap) + p**n  # Webber et al., eq. 30
        chance = (1 - p) / p * sum(p**depth * depth / n) + p**n
        assert both("rbo", x, y) == pytest.approx((slow - chance) / (1 - chance), abs=1e-5)
        assert both("top1", x, y) == pytest.approx((overlap[0] - 1 / n) / (1 - 1 / n))
        k = max(1, round(0.4 * n))
        assert both("topk", x, y, 0.4) == pytest.approx((overlap[k - 1] - k / n) / (1 - k / n))

    @pytest.mark.parametrize("statistic", ["topk", "top1", "rbo"])
    def test_they_are_zero_on_average_over_all_orders(self, statistic):
        x = np.array([5.0, 4, 1, 1, 0])
        values = [both(statistic, x, x[list(p)], 0.4) for p in permutations(range(5))]
        assert np.mean(values) == pytest.approx(0, abs=1e-6)

    def test_chance_of_rank_biased_overlap_falls_with_length(self):
        rng = np.random.default_rng(0)
        sizes = [10, 150]
        chance = each("rbo", rng.normal(size=(2, 160)), sizes)[1]
        assert chance == pytest.approx([0.651, 0.067], abs=0.001)

    def test_equal_lists_without_ties_overlap_whole(self):
        x = np.random.default_rng(0).normal(size=40)
        assert both("rbo", x, np.exp(x)) == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize("statistic", ["spearman", "kendall", "weighted_tau", "rbo", "topk"])
    def test_a_constant_vector_has_none(self, statistic):
        x = np.arange(12.0)
        assert np.isnan(both(statistic, x, np.full(12, 0.3), 0.1))
        assert np.isnan(both(statistic, [1.0], [2.0], 0.1))

    @pytest.mark.parametrize("statistic", ["spearman", "kendall", "weighted_tau", "rbo", "topk"])
    def test_traces_beside_longer_ones_are_as_alone(self, statistic):
        rng = np.random.default_rng(1)
        sizes = [8, 31, 120, 9]
        vectors = np.round(rng.normal(size=(3, sum(sizes))), 1)
        together = each(statistic, vectors, sizes, 0.1)[0]
        for t, part in enumerate(np.split(vectors, np.cumsum(sizes)[:-1], axis=1)):
            alone = each(statistic, part, [part.shape[1]], 0.1)[0][0]
            assert together[t] == pytest.approx(alone, abs=1e-5)
