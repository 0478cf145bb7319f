from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.agreement.controls import designs, partial_correlation, products, regressors, swept
from harness.agreement.panel.blocks import blocks
from harness.agreement.panel.panel import Panel, Vectors
from harness.agreement.ranks import standing
from tests.harness.comparing import load


@pytest.fixture
def conf():
    return load()


def partial(vectors, columns, trace, conf):
    """Residual-rank correlations of the first two vectors, one a trace."""
    inner, size, order = [], [], []
    for block in blocks(trace, np.ones(len(trace), bool)):
        stand = standing(block.rows(np.array(vectors)), block.inside)
        inner.append(products(stand.centred, columns, block))
        size.append(block.size)
        order.append(block.trace)
    order = np.concatenate(order)
    found = partial_correlation(
        np.concatenate(inner), range(len(columns)), len(columns), np.concatenate(size), conf
    )
    return found[np.argsort(order), 0, 1]


def slow_partial(x, y, columns, share, least):
    """Ranks, then ordinary least squares with explicit intercepts, trace by trace or stacked."""
    pairs = zip(x, y, strict=True)
    ranks = [[(stats.rankdata(v) - (len(v) + 1) / 2) / len(v) for v in pair] for pair in pairs]
    sizes = np.array([len(v) for v in x])
    dummies = np.repeat(np.eye(len(sizes)), sizes, axis=0)
    stacked = np.column_stack([dummies, np.concatenate(columns)])
    values, stop = [], np.cumsum(sizes)
    for t, n in enumerate(sizes):
        regressors = columns[t].shape[1]
        if regressors <= share * n:
            full, free = np.column_stack([np.ones(n), columns[t]]), n - 1 - regressors
            rest = [r - full @ np.linalg.lstsq(full, r)[0] for r in ranks[t]]
        else:
            free = n - 1 - regressors * n / sizes.sum()
            flat = [np.concatenate([r[j] for r in ranks]) for j in (0, 1)]
            rest = [v - stacked @ np.linalg.lstsq(stacked, v)[0] for v in flat]
            rest = [v[stop[t] - n : stop[t]] for v in rest]
        values.append(stats.pearsonr(*rest).statistic if free >= least else np.nan)
    return values


class TestControls:
    sizes = (30, 9, 15, 14, 5, 4)
    trace = np.repeat(np.arange(6), sizes)

    def example(self, seed=0):
        rng = np.random.default_rng(seed)
        n = sum(self.sizes)
        place = np.concatenate([np.arange(1, size + 1) / size for size in self.sizes])
        covariates = {
            "position": place,
            "length": rng.integers(1, 40, n).astype(float),
            "lexicon": (rng.random(n) < 0.4).astype(float),
            "headroom": np.full(n, np.nan),
        }
        x, y = (np.round(2 * place + rng.normal(size=n), 1) for _ in range(2))
        return x, y, covariates

    @pytest.mark.parametrize("seed", range(5))
    def test_position_against_ordinary_least_squares(self, conf, seed):
        x, y, covariates = self.example(seed)
        edges = np.cumsum(self.sizes)[:-1]
        cubic = covariates["position"][:, None] ** [1, 2, 3]
        parts = [np.split(v, edges) for v in (x, y, cubic)]
        slow = slow_partial(*parts, conf.regressors_per_sentence, conf.min_residual_dof)
        columns = regressors("position", covariates["position"], self.trace)
        fast = partial([x, y], columns, self.trace, conf)
        assert fast == pytest.approx(slow, abs=1e-9, nan_ok=True)
        assert np.isfinite(fast).tolist() == [True] * 4 + [False] * 2

    def test_a_column_that_adds_nothing_changes_nothing(self, conf):
        x, y, covariates = self.example()
        columns = regressors("position", covariates["position"], self.trace)
        extra = [columns, columns[:1] * 3 - 2, np.full((1, len(x)), np.log(3))]
        padded = partial([x, y], np.concatenate(extra), self.trace, conf)
        plain = partial([x, y], columns, self.trace, conf)
        assert padded == pytest.approx(plain, abs=1e-7, nan_ok=True)

    def test_position_controlled_for_position_is_undefined(self, conf):
        x, _, covariates = self.example()
        place = covariates["position"]
        values = partial([x, place], regressors("position", place, self.trace), self.trace, conf)
        # the first and third trace have their own fit, which leaves nothing of a straight line
        assert np.isnan(values[[0, 2]]).all()

    def test_sweeping_is_projecting_out(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(2, 7, 12))
        x[:, 1] = 2 * x[:, 0]  # adds nothing
        left, rank = swept(x @ x.swapaxes(1, 2), 3)
        assert rank.tolist() == [2, 2]
        for whole, found in zip(x, left, strict=True):
            basis = whole[:3].T
            rest = whole[3:].T - basis @ np.linalg.lstsq(basis, whole[3:].T)[0]
            assert found == pytest.approx(rest.T @ rest, abs=1e-10)

    def designed(self, controls, covariates, **scores):
        """The designs of a panel with these covariates and methods."""
        nothing = np.empty((0, len(self.trace)), np.float32)
        methods = {name: Vectors(score, nothing, nothing) for name, score in scores.items()}
        problems = tuple(map(str, range(6)))
        panel = Panel("m", problems, np.arange(6), self.trace, methods, covariates)
        return designs(panel, replace(load(), controls=controls))

    def test_each_control_has_the_columns_of_its_covariates(self):
        _, _, covariates = self.example()
        covariates["headroom"] = np.where(self.trace < 2, covariates["position"], np.nan)
        controls = ("none", "position", "all", "length", "headroom")
        plain, partly = self.designed(controls, covariates)
        assert {c: len(i) for c, i in plain.of.items()} == {"none": 0, "position": 3, "length": 1}
        assert {c: len(i) for c, i in partly.of.items()} == {"all": 7, "headroom": 2}
        assert plain.known.all()
        assert partly.known.tolist() == (self.trace < 2).tolist()
        left = partly.columns[partly.of["headroom"][0]]
        assert left.tolist() == partly.known.tolist()

    def test_all_leaves_out_what_is_defined_nowhere(self):
        _, _, covariates = self.example()
        nowhere = np.full(len(self.trace), np.nan)
        whole, none = self.designed(("all", "headroom"), covariates, gram_coverage=nowhere)
        assert set(whole.of) == {"none", "all"}
        assert len(whole.of["all"]) == 5
        assert not none.known.any()

    def test_further_wording_is_part_of_lexicon_and_of_all(self):
        _, _, covariates = self.example()
        grams = np.where(self.trace < 2, covariates["position"], np.nan)
        controls = ("lexicon", "all", "length")
        plain, partly = self.designed(controls, covariates, gram_coverage=grams, other=grams)
        assert {c: len(i) for c, i in partly.of.items()} == {"lexicon": 2, "all": 6}
        assert set(plain.of) == {"none", "length"}
        assert partly.known.tolist() == (self.trace < 2).tolist()
        found = partly.columns[list(partly.of["lexicon"])][:, self.trace < 2]
        assert found.tolist() == [
            v[self.trace < 2].tolist() for v in (covariates["lexicon"], grams)
        ]

    def test_headroom_is_told_apart_within_each_trace_whatever_its_unit(self):
        trace = np.repeat([0, 1, 2, 3], [4, 2, 3, 2])
        nats = np.array([1.0, 3, 0, 0, 0.7, 0.7, 0, 0, np.nan, 100, 300])
        left, beside = regressors("headroom", nats, trace)
        assert left[[0, 2, 4]].tolist() == [1, 0, 1]
        assert np.isnan(left[8])
        # half of the first trace is live, all of the last; equal values do not differ
        expected = [-0.5, 0.5, 0, 0, 0, 0, 0, 0, np.nan, -1, 1]
        assert beside.tolist() == pytest.approx(expected, nan_ok=True)
        again = regressors("headroom", np.where(trace == 0, 7 * nats, nats), trace)[1]
        assert again.tolist() == pytest.approx(beside.tolist(), nan_ok=True)

    def test_length_is_in_logs_and_zero_tokens_undefined(self):
        found = regressors("length", np.array([0, 1, np.e]), np.zeros(3, int))
        assert found[0].tolist() == pytest.approx([np.nan, 0, 1], nan_ok=True)
