from dataclasses import replace
from itertools import chain, permutations, product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from scipy import stats

from harness import schema
from harness.agreement import Agreement, agreement
from harness.agreement.controls import design, partial_spearman
from harness.agreement.inference import bca, interval, sign_flip, signs
from harness.agreement.segments import Segments
from harness.agreement.statistics import kendall, spearman, topk
from harness.config import build
from harness.types import UserError

YAML = Path(__file__).parents[2] / "conf" / "agreement" / "default.yaml"


def load():
    return build(Agreement, OmegaConf.load(YAML), "agreement")


@pytest.fixture
def conf():
    return replace(load(), controls=("none",))


def traces_of(*sizes):
    return Segments.of(np.repeat(np.arange(len(sizes)), sizes))


def arrays(rows):
    return [np.array(column, dtype=np.float64) for column in zip(*rows, strict=True)]


# a few small traces of tied integers, as (x, y) rows
tied = st.lists(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=9),
    min_size=1,
    max_size=4,
)


class TestStatistics:
    @settings(max_examples=100, deadline=None)
    @given(tied)
    def test_ranks_are_scipy_s_in_each_trace(self, parts):
        x, _ = arrays(list(chain.from_iterable(parts)))
        ranks = traces_of(*map(len, parts)).ranks(x)
        slow = np.concatenate([stats.rankdata([row[0] for row in part]) for part in parts])
        assert ranks.tolist() == slow.tolist()

    @settings(max_examples=100, deadline=None)
    @given(tied)
    def test_correlations_are_scipy_s_in_each_trace(self, parts):
        x, y = arrays(list(chain.from_iterable(parts)))
        traces = traces_of(*map(len, parts))
        pairs = [arrays(part) for part in parts]
        flat = [np.ptp(a) == 0 or np.ptp(b) == 0 for a, b in pairs]
        for ours, theirs in ((spearman, stats.spearmanr), (kendall, stats.kendalltau)):
            slow = [
                np.nan if f else theirs(a, b).statistic
                for f, (a, b) in zip(flat, pairs, strict=True)
            ]
            assert ours(x, y, traces) == pytest.approx(slow, abs=1e-12, nan_ok=True)

    def test_spearman_and_kendall_by_hand(self):
        x, y = np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4])
        assert spearman(x, y, traces_of(4)) == pytest.approx([0.8])  # 1 − 6·2/(4·15)
        assert kendall(x, y, traces_of(4)) == pytest.approx([4 / 6])  # 5 concordant, 1 not

    def test_topk_shares_ties_at_the_edge(self):
        x, y = np.array([3.0, 1, 1, 0]), np.array([0.0, 1, 1, 3])
        # k = 2: members 1, ½, ½, 0 and 0, ½, ½, 1; overlap ½ of 2, chance ½
        assert topk(x, y, traces_of(4), 0.5) == pytest.approx([(0.25 - 0.5) / 0.5])

    def test_three_scores_of_sixty_overlap_themselves_by_half(self):
        x = np.r_[1.0, 2, 3, np.zeros(57)]
        overlap = (3 + 57 * (3 / 57) ** 2) / 6
        assert topk(x, x, traces_of(60), 0.1) == pytest.approx([(overlap - 0.1) / 0.9])

    @pytest.mark.parametrize(("n", "k"), [(2, 1), (5, 1), (14, 1), (16, 2), (60, 6), (96, 10)])
    def test_topk_takes_a_tenth_and_at_least_one(self, n, k):
        x = np.arange(n, dtype=np.float64)
        y = np.where(x >= n - k, x, -x)  # the same k on top, in another order below
        z = np.where(x >= n - k - 1, -x, x)
        assert topk(x, x, traces_of(n), 0.1) == pytest.approx([1.0])
        assert topk(x, y, traces_of(n), 0.1) == pytest.approx([1.0])
        if n > 2 * k + 1:
            assert topk(x, z, traces_of(n), 0.1) == pytest.approx([-(k / n) / (1 - k / n)])

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=6))
    def test_topk_is_the_mean_over_ties_broken_at_random(self, rows):
        x, y = arrays(rows)
        n = len(x)
        k = max(1, round(0.4 * n))
        if np.ptp(x) == 0 or np.ptp(y) == 0 or k == n:
            return

        def chosen(values):
            tops = [sorted(p, key=lambda i: -values[i])[:k] for p in permutations(range(n))]
            return np.mean([np.isin(np.arange(n), top) for top in tops], axis=0)

        overlap = (chosen(x) * chosen(y)).sum() / k
        slow = (overlap - k / n) / (1 - k / n)
        assert topk(x, y, traces_of(n), 0.4) == pytest.approx([slow])

    def test_topk_is_zero_on_average_over_all_orders(self):
        x = np.array([5.0, 4, 1, 1, 0])
        values = [topk(x, x[list(p)], traces_of(5), 0.4)[0] for p in permutations(range(5))]
        assert np.mean(values) == pytest.approx(0, abs=1e-12)

    def test_topk_of_everything_is_undefined(self):
        x = np.arange(4.0)
        assert np.isnan(topk(x, x, traces_of(4), 0.99)).all()


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

    def example(self, seed=0):
        rng = np.random.default_rng(seed)
        n = sum(self.sizes)
        traces = traces_of(*self.sizes)
        place = (np.arange(n) - traces.spread(traces.start) + 1) / traces.spread(traces.size)
        covariates = {
            "position": place,
            "length": rng.integers(1, 40, n).astype(float),
            "lexicon": (rng.random(n) < 0.4).astype(float),
            "headroom": np.full(n, np.nan),
        }
        x, y = (np.round(2 * place + rng.normal(size=n), 1) for _ in range(2))
        return x, y, covariates, traces

    @pytest.mark.parametrize("seed", range(5))
    def test_position_against_ordinary_least_squares(self, conf, seed):
        x, y, covariates, traces = self.example(seed)
        edges = traces.start[1:]
        cubic = covariates["position"][:, None] ** [1, 2, 3]
        parts = [np.split(v, edges) for v in (x, y, cubic)]
        slow = slow_partial(*parts, conf.regressors_per_sentence, conf.min_residual_dof)
        fast = partial_spearman(x, y, design("position", covariates), traces, conf)
        assert fast == pytest.approx(slow, abs=1e-9, nan_ok=True)
        assert np.isfinite(fast).tolist() == [True] * 4 + [False] * 2

    def test_without_regressors_it_is_spearman(self, conf):
        x, y, covariates, traces = self.example()
        plain = partial_spearman(x, y, design("none", covariates), traces, conf)
        assert plain[:5] == pytest.approx(spearman(x, y, traces)[:5])

    def test_a_column_that_adds_nothing_changes_nothing(self, conf):
        x, y, covariates, traces = self.example()
        columns = design("position", covariates)
        extra = [columns, columns[:, :1] * 3 - 2, np.full((len(x), 1), np.log(3))]
        padded = partial_spearman(x, y, np.hstack(extra), traces, conf)
        plain = partial_spearman(x, y, columns, traces, conf)
        assert padded == pytest.approx(plain, abs=1e-9, nan_ok=True)

    def test_position_controlled_for_position_is_undefined(self, conf):
        x, _, covariates, traces = self.example()
        place = covariates["position"]
        values = partial_spearman(x, place, design("position", covariates), traces, conf)
        # the first and third trace have their own fit, which leaves nothing of a straight line
        assert np.isnan(values[[0, 2]]).all()

    def test_all_leaves_out_what_is_defined_nowhere(self):
        _, _, covariates, _ = self.example()
        assert design("all", covariates).shape[1] == 5
        assert np.isnan(design("headroom", covariates)).any(axis=1).all()
        known = {**covariates, "headroom": covariates["position"]}
        assert design("all", known).shape[1] == 7

    def test_length_is_in_logs_and_zero_tokens_undefined(self):
        _, _, covariates, _ = self.example()
        covariates["length"][:3] = 0, 1, np.e
        assert design("length", covariates)[:3, 0].tolist() == pytest.approx(
            [np.nan, 0, 1], nan_ok=True
        )


class TestInference:
    @pytest.mark.parametrize("seed", range(3))
    def test_bca_is_scipy_s_on_the_same_draws(self, seed):
        values = np.random.default_rng(seed).exponential(size=25)
        theirs = stats.bootstrap((values,), np.mean, n_resamples=500, random_state=seed)
        jackknife = np.array([np.delete(values, i).mean() for i in range(25)])
        ours = bca(values.mean(), theirs.bootstrap_distribution, jackknife, 0.95)
        assert ours == pytest.approx(tuple(theirs.confidence_interval), rel=1e-12)

    def test_from_twenty_problems_bca(self, conf):
        values = np.random.default_rng(0).exponential(size=20)
        conf = replace(conf, draws=20000)
        theirs = stats.bootstrap((values,), np.mean, n_resamples=20000, random_state=1)
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

    def test_sign_flip_by_hand(self):
        assert sign_flip(np.ones(3), signs(3, 2000, 0)) == 2 / 8
        assert sign_flip(np.array([1.0, -1.0]), signs(2, 2000, 0)) == 1
        assert sign_flip(np.array([1.0, np.nan, 1.0]), signs(3, 2000, 0)) == 2 / 4

    def test_sign_flip_is_scipy_s(self):
        values = np.random.default_rng(0).normal(0.5, 1, size=9)
        theirs = stats.permutation_test(
            (values,), np.mean, permutation_type="samples", vectorized=True
        )
        assert sign_flip(values, signs(9, 2000, 0)) == pytest.approx(theirs.pvalue)

    def test_random_flips_approach_all_of_them(self):
        values = np.random.default_rng(1).normal(0.3, 1, size=12)
        exact = sign_flip(values, signs(12, 5000, 0))
        assert sign_flip(values, signs(12, 4000, 0)) == pytest.approx(exact, abs=0.03)
        assert len(signs(12, 5000, 0)) == 4096
        assert len(signs(12, 4000, 0)) == 4001

    def test_p_is_never_zero(self):
        assert sign_flip(np.ones(60), signs(60, 2000, 0)) == 1 / 2001


def long(values, model="m"):
    """Scores from {method: {(problem, trace): vector}}."""
    rows = [
        (model, problem, trace, i, method, float(v))
        for method, traces in values.items()
        for (problem, trace), vector in traces.items()
        for i, v in enumerate(vector)
    ]
    columns = ["model", "problem_id", "trace_id", "sentence", "method", "score"]
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    return frame.with_columns(pl.col("sentence").cast(pl.Int32), pl.col("score").cast(pl.Float64))


def covariates(scores, **given):
    """Position as it is; length, lexicon and headroom from `given`, else undefined."""
    cells = scores.select("trace_id", "sentence").unique().sort("trace_id", "sentence")
    place = (pl.col("sentence") + 1) / pl.len().over("trace_id")
    columns = {"position": cells.select(place).to_series()}
    columns |= {k: pl.Series(given.get(k, [np.nan] * len(cells))) for k in FURTHER}
    return pl.concat(
        cells.with_columns(pl.lit(k).alias("method"), v.cast(pl.Float64).alias("score"))
        for k, v in columns.items()
    )


FURTHER = ("length", "lexicon", "headroom")
UP, DOWN = [1.0, 2, 3, 4], [4.0, 3, 2, 1]


def compare(values, conf, signed=None):
    scores = long(values)
    return agreement(scores, covariates(scores), signed or {}, conf)


def one(rows, **where):
    return rows.filter(**where).row(0, named=True)


class TestTable:
    def test_traces_are_averaged_before_problems(self, conf):
        a = {("p", "t0"): UP, ("p", "t1"): UP, ("q", "t2"): UP}
        b = {("p", "t0"): UP, ("p", "t1"): DOWN, ("q", "t2"): UP}
        rows, dots = compare({"a": a, "b": b}, conf)
        row = one(rows, statistic="spearman")
        assert row["value"] == pytest.approx(0.5)  # not 1/3
        assert (row["n_traces"], row["n_problems"], row["n_sentences"]) == (3, 2, 12)
        assert row["verdict"] == "too few problems"
        assert row["low"] is None
        assert row["p"] is None
        part = dots.filter(statistic="spearman").sort("problem_id")
        assert part["value"].to_list() == pytest.approx([0, 1])
        assert part["n_traces"].to_list() == [2, 1]
        assert part["n_sentences"].to_list() == [8, 4]

    def test_the_columns_are_the_schema_s(self, conf):
        rows, dots = compare({"a": {("p", "t"): UP}, "b": {("p", "t"): DOWN}}, conf)
        assert rows.schema == schema.AGREEMENT
        assert dots.schema == schema.AGREEMENT_BY_PROBLEM
        later = ["p_max_t", "q", "ceiling", "disattenuated", "cross_fit"]
        assert rows.select(later).null_count().row(0) == (len(rows),) * 5

    def test_each_pair_once_in_the_order_given(self):
        full = load()
        values = {m: {("p", "t"): UP} for m in ("b", "c", "a")}
        rows, _ = compare(values, full)
        pairs = rows.select("a", "b").unique(maintain_order=True).rows()
        assert pairs == [("b", "c"), ("b", "a"), ("c", "a")]
        cells = rows.filter(a="b", b="c").select("statistic", "control").rows()
        controlled = [("spearman", c) for c in full.controls]
        assert cells == [*controlled, ("kendall", "none"), ("topk", "none")]

    def test_only_sentences_where_both_are_defined(self, conf):
        nan = np.nan
        a, b = [1, nan, 2, 3, 9], [1, 7, 3, 2, nan]
        rows, _ = compare({"a": {("p", "t"): a}, "b": {("p", "t"): b}}, conf)
        row = one(rows, statistic="spearman")
        assert row["value"] == pytest.approx(0.5)
        assert row["n_sentences"] == 3

    @pytest.mark.parametrize("baseline", ["position", "recency"])
    def test_a_baseline_under_its_own_control_is_undefined(self, baseline):
        rng = np.random.default_rng(0)
        cells = {("p", f"t{i}"): rng.random(20).tolist() for i in range(3)}
        holes = {k: [np.nan, *v[1:7], np.nan, *v[8:]] for k, v in cells.items()}
        places = {k: [float(i) for i in range(20)] for k in cells}
        full = load()
        rows, _ = compare({"a": holes, "b": cells, baseline: places}, full)
        values = {r["control"]: r["value"] for r in rows.filter(a="a", b=baseline).to_dicts()}
        assert values["none"] is not None
        assert values["position"] is None
        assert values["all"] is None
        assert (
            one(rows, a="a", b="b", statistic="spearman", control="position")["value"] is not None
        )

    def test_a_constant_trace_is_undefined_and_not_counted(self, conf):
        a = {("p", "t0"): UP, ("p", "t1"): UP}
        b = {("p", "t0"): DOWN, ("p", "t1"): [0.3] * 4}
        rows, _ = compare({"a": a, "b": b}, conf)
        assert rows["value"][:2].to_list() == pytest.approx([-1, -1])
        assert rows["n_traces"].to_list() == [1, 1, 1]
        assert rows["n_sentences"].to_list() == [8, 8, 8]

    @pytest.mark.parametrize(
        ("signed", "expected"),
        [({}, -1), ({"a": True}, 1), ({"b": True}, -1), ({"a": True, "b": True}, -1)],
    )
    def test_only_a_signed_score_beside_an_unsigned_one_is_folded(self, conf, signed, expected):
        values = {"a": {("p", "t"): [-4.0, -3, -2, -1]}, "b": {("p", "t"): DOWN}}
        rows, _ = compare(values, conf, signed)
        assert one(rows, statistic="spearman")["value"] == pytest.approx(expected)

    def test_monotone_transforms_and_the_order_of_rows_change_nothing(self):
        full = load()
        rng = np.random.default_rng(0)
        keys = [(f"p{i}", f"t{i}{j}") for i in range(11) for j in range(2)]
        values = {m: {k: rng.normal(size=20) for k in keys} for m in "ab"}
        scores = long(values)
        known = covariates(scores)
        first = agreement(scores, known, {}, full)
        bent = scores.with_columns(score=pl.col("score").exp())
        mixed = bent.sort("method", pl.col("trace_id").reverse(), "sentence")
        mixed = mixed.sort("method", maintain_order=True)
        second = agreement(mixed, known.sample(fraction=1, shuffle=True, seed=0), {}, full)
        for one_frame, other in zip(first, second, strict=True):
            numbers = one_frame.fill_null(np.nan).select(pl.col(pl.Float64)).to_numpy()
            again = other.fill_null(np.nan).select(pl.col(pl.Float64)).to_numpy()
            assert again == pytest.approx(numbers, abs=1e-9, nan_ok=True)

    def test_a_row_is_the_mean_of_its_dots(self):
        rng = np.random.default_rng(0)
        values = {m: {(f"p{i}", f"t{i}"): rng.normal(size=16) for i in range(22)} for m in "abc"}
        rows, dots = compare(values, load())
        key = ["model", "a", "b", "statistic", "control"]
        means = dots.group_by(key, maintain_order=True).agg(pl.col("value").mean())
        assert means["value"].to_list() == pytest.approx(rows["value"].to_list())
        known = rows.filter(control="none", statistic="spearman")
        assert (known["low"] < known["value"]).all()
        assert (known["value"] < known["high"]).all()
        assert known["p"].is_between(0, 1).all()
        assert rows.filter(pl.col("statistic") != "spearman")["p"].null_count() == 6

    def test_models_stay_apart(self, conf):
        here = long({"a": {("p", "t"): UP}, "b": {("p", "t"): UP}})
        there = long({"a": {("p", "s"): UP}}, model="other")
        scores = pl.concat([here, there])
        rows, _ = agreement(scores, covariates(scores), {}, conf)
        rows = rows.filter(statistic="spearman").select("model", "value", "n_sentences").rows()
        assert rows == [("m", pytest.approx(1), 4), ("other", None, 0)]


class TestBadInput:
    def scores(self):
        return long({"a": {("p", "t"): UP}, "b": {("p", "t"): DOWN}})

    @pytest.mark.parametrize(
        "b",
        [[np.nan] * 4, [2.0] * 4, [1.0, np.nan, np.nan, np.nan], [np.nan, np.nan, np.nan, 1.0]],
        ids=["nowhere", "constant", "one", "another"],
    )
    def test_what_cannot_be_compared_is_null_and_counted(self, b):
        full = load()
        rows, dots = compare({"a": {("p", "t"): UP}, "b": {("p", "t"): b}}, full)
        assert len(rows) == len(dots) == 8
        assert rows["value"].null_count() == 8
        plain = rows.filter(control="none")
        assert plain["n_sentences"].unique().to_list() == [int(np.isfinite(b).sum())]
        assert set(rows["n_traces"]) == set(rows["n_problems"]) == {0}
        assert set(rows["verdict"]) == {"too few problems"}

    def test_no_sentence_in_common(self):
        values = {"a": {("p", "t"): [1.0, 2, np.nan]}, "b": {("p", "t"): [np.nan, np.nan, 1.0]}}
        rows, _ = compare(values, load())
        assert rows["value"].null_count() == len(rows) == 8
        assert set(rows["n_sentences"]) == {0}

    def test_no_trace_in_common(self, conf):
        rows, _ = compare({"a": {("p", "t"): UP}, "b": {("q", "s"): UP}}, conf)
        assert rows["value"].null_count() == 3

    def test_a_null_score_is_undefined(self, conf):
        scores = self.scores().with_columns(
            score=pl.when(pl.col("sentence") > 0).then(pl.col("score"))
        )
        rows, _ = agreement(scores, covariates(scores), {}, conf)
        assert rows["n_sentences"].to_list() == [3, 3, 3]

    def test_one_method_or_none_gives_no_rows(self, conf):
        scores = self.scores()
        known = covariates(scores)
        for few in (scores.filter(method="a"), scores.clear()):
            rows, dots = agreement(few, known, {}, conf)
            assert rows.is_empty()
            assert rows.schema == schema.AGREEMENT
            assert dots.is_empty()
            assert dots.schema == schema.AGREEMENT_BY_PROBLEM

    @pytest.mark.parametrize("value", [np.inf, -np.inf])
    def test_infinite(self, conf, value):
        scores = self.scores()
        broken = scores.with_columns(
            score=pl.when((pl.col("method") == "b") & (pl.col("sentence") == 2))
            .then(value)
            .otherwise("score")
        )
        with pytest.raises(UserError, match="scores of b: trace t, sentence 2 is infinite"):
            agreement(broken, covariates(scores), {}, conf)

    def test_repeated(self, conf):
        scores = self.scores()
        twice = pl.concat([scores, scores.filter(method="b", sentence=3)])
        with pytest.raises(UserError, match="scores of b: trace t, sentence 3 is given twice"):
            agreement(twice, covariates(scores), {}, conf)

    def test_unknown_trace_and_sentence(self, conf):
        scores = self.scores()
        known = covariates(scores)
        strange = pl.concat([scores, long({"b": {("p", "elsewhere"): UP}})])
        with pytest.raises(UserError, match="scores of b: trace elsewhere, sentence 0 is not in"):
            agreement(strange, known, {}, conf)
        with pytest.raises(UserError, match="trace t, sentence 3 is not in"):
            agreement(scores, known.filter(pl.col("sentence") < 3), {}, conf)

    def test_a_trace_of_two_problems(self, conf):
        scores = pl.concat([self.scores(), long({"c": {("q", "t"): UP}})])
        with pytest.raises(UserError, match="trace t, sentence 0 belongs to several problems"):
            agreement(scores, covariates(scores), {}, conf)

    @pytest.mark.parametrize(
        ("key", "value"),
        [("statistics", ["spearmann"]), ("controls", ["time"]), ("top_fraction", 1), ("draws", 0)],
    )
    def test_config_errors_name_the_key(self, key, value):
        node = OmegaConf.load(YAML)
        node[key] = value
        with pytest.raises(UserError, match=rf"agreement\.{key}"):
            build(Agreement, node, "agreement")


def simulate(kind, models, problems, sizes, seed):
    """Two scores independent given what they share: position, or a headroom that runs out."""
    rng = np.random.default_rng(seed)
    frames, headroom = [], []
    for m, p in product(range(models), range(problems)):
        n = int(rng.integers(*sizes))
        place = (np.arange(n) + 1) / n
        noise = rng.normal(size=(2, n))
        left = np.where(place < rng.uniform(0.3, 0.9), rng.uniform(0.3, 1.5, n), 0.0)
        pair = 3 * place + noise if kind == "position" else left * np.abs(noise)
        trace = f"{m:03}/{p:03}"
        values = {k: {(str(p), trace): v} for k, v in zip("ab", pair, strict=True)}
        frames.append(long(values, model=str(m)))
        headroom.append(left)
    scores = pl.concat(frames)
    conf = replace(load(), statistics=("spearman",), controls=("none", "position", "headroom"))
    return agreement(scores, covariates(scores, headroom=np.concatenate(headroom)), {}, conf)[0]


class TestSimulated:
    @pytest.mark.parametrize("sizes", [(30, 60), (8, 15)], ids=["own slopes", "pooled slopes"])
    def test_a_shared_position_trend_is_controlled(self, sizes):
        rows = simulate("position", 1, 60, sizes, seed=0)
        raw, controlled = one(rows, control="none"), one(rows, control="position")
        assert raw["low"] > 0.3
        assert raw["p"] < 0.01
        assert abs(controlled["value"]) < 4 / np.sqrt(60 * (sum(sizes) / 2 - 4))
        assert controlled["low"] < 0 < controlled["high"]
        assert controlled["p"] > 0.01

    def test_a_shared_convergence_point_needs_headroom(self):
        rows = simulate("headroom", 1, 60, (30, 60), seed=0)
        assert one(rows, control="position")["low"] > 0.3
        row = one(rows, control="headroom")
        assert abs(row["value"]) < 0.1
        assert row["p"] > 0.01

    @pytest.mark.parametrize("control", ["position", "headroom"])
    def test_type_one_error(self, control):
        rows = simulate(control, 80, 12, (16, 40), seed=2).filter(control=control)
        rejected = int((rows["p"] < 0.05).sum())
        assert stats.binomtest(rejected, 80, 0.05).pvalue > 0.002
        assert (simulate(control, 5, 12, (16, 40), seed=3).filter(control="none")["p"] < 0.05).all()
