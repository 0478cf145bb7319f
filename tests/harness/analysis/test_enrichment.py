"""Which categories stand at the top, by hand, against a plain version, and by chance."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.analysis.enrichment import enrichment, log_ratio, top
from harness.analysis.permuted import Labelled, chances, log_odds
from tests.harness.comparing import load, one

CONF = replace(load(), draws=400)


def frames(traces):
    """Scores by method, sentences and traces of (problem, trace): scores, one letter a sentence."""
    rows = [
        {"problem_id": problem, "trace_id": trace, "sentence": i, "n_tokens": 9,
         "score": float(score), "category": letter if letter != "-" else None}
        for (problem, trace), (scores, letters) in traces.items()
        for i, (score, letter) in enumerate(zip(scores, letters, strict=True))
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema_overrides={"sentence": pl.Int32, "category": pl.String})
    of = frame.select("trace_id", "problem_id", model=pl.lit("m")).unique(maintain_order=True)
    scores = {"x": frame.select("trace_id", "sentence", "score").lazy()}
    return scores, frame.select("trace_id", "sentence", "category", "n_tokens"), of


def raw(found, column="value"):
    return dict(found.filter(control="none").select("category", column).iter_rows())


def test_shares_by_hand():
    """Ten sentences have three places at the top; of four one, and a tie gives each a half."""
    made = frames(
        {
            ("p", "p1"): ([9, 9, 9, *[0] * 7], "abbbbbbbbb"),
            ("p", "p2"): ([0, *[0] * 6, 9, 9, 9], "abbbbbbbbb"),
            ("q", "q1"): ([5, 5, 1, 1], "abaa"),
            ("q", "q2"): ([1, 1, 1, 1], "aaaa"),  # ranks nothing
        }
    )
    found = enrichment(*made, {}, CONF)
    # a at the top: p (1/3 + 0)/2, q 1/2; of all: p 1/10, q 3/4
    assert raw(found)["a"] == pytest.approx(np.log2((1 / 6 + 0.5) / (0.1 + 0.75)))
    assert raw(found)["b"] == pytest.approx(np.log2((5 / 6 + 0.5) / (0.9 + 0.25)))
    row = one(found, category="a", control="none")
    assert (row["n_problems"], row["n_sentences"], row["low"]) == (2, 5, None)


def test_the_size_of_signed_scores_counts():
    made = frames({("p", "p1"): ([-9, 1, 2, 3], "abbb")})
    assert raw(enrichment(*made, {"x": True}, CONF)) == {"a": 2.0, "b": None}
    assert raw(enrichment(*made, {"x": False}, CONF))["a"] is None


def test_undefined_scores_and_unknown_categories_are_left_out():
    found = enrichment(*frames({("p", "p1"): ([np.nan, 4, 1, 2, 3], "aab--")}), {}, CONF)
    assert raw(found) == {"a": 2.0, "b": None}
    assert raw(found, "n_sentences")["a"] == 1
    assert enrichment(*frames({("p", "p1"): ([1, 2], "--")}), {}, CONF).is_empty()


def test_problems_without_the_category_do_not_count():
    traces = {("p", "p1"): ([1.0, 2, 3, 4], "aabb"), ("q", "q1"): ([1.0, 2, 3, 4], "bbbb")}
    assert raw(enrichment(*frames(traces), {}, CONF), "n_problems") == {"a": 1, "b": 2}


def test_no_interval_where_the_top_is_of_two():
    rng = np.random.default_rng(0)
    for n, known in ((8, False), (9, True)):
        traces = {(f"p{i}", f"t{i}"): (rng.random(n), "ab" * 4 + "a" * (n - 8)) for i in range(12)}
        row = one(enrichment(*frames(traces), {}, CONF), category="a", control="none")
        assert (row["low"] is not None) is known
        assert row["p"] is not None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=3, max_size=25))
def test_the_top_against_drawing_the_ties(values):
    found = top(np.array(values, dtype=float), np.zeros(len(values), int), CONF)
    if len(set(values)) == 1:
        assert np.isnan(found).all()
        return
    k = min(3, len(values) // 3)
    assert found.sum() == pytest.approx(k)
    rng, times = np.random.default_rng(0), 400
    seen = np.zeros(len(values))
    for _ in range(times):
        seen[np.lexsort((rng.random(len(values)), values))[-k:]] += 1 / times
    np.testing.assert_allclose(found, seen, atol=0.12)


def chance(label, odds, weights, trace, draws, seed):
    return chances([Labelled(label, odds, weights)], trace, draws, seed)[0]


class TestPermuted:
    def test_p_is_the_hypergeometric_s(self):
        # one trace, 3 of 9 at the top and labelled
        label = np.arange(9) < 3
        weights = label[:, None] / 3
        drawn = chance(label, np.zeros(9), weights, np.zeros(9, int), 20_000, 0)
        # two-sided around 1/3: all three of three, or as far below, which cannot be
        assert drawn.p(np.array([1.0])) == pytest.approx(1 / 84, abs=0.003)
        assert drawn.share == pytest.approx(np.full(9, 1 / 3), abs=0.02)

    def test_few_draws_suggest_a_normal_distribution(self):
        rng = np.random.default_rng(0)
        trace, label = np.repeat(np.arange(50), 20), rng.random(1000) < 0.3
        weights = rng.random((1000, 1)) / 1000
        seen = label @ weights + 0.01
        many, few = (
            chance(label, np.zeros(1000), weights, trace, n, 1).p(seen)[0] for n in (3000, 300)
        )
        assert few == pytest.approx(many, abs=0.05)

    def test_odds_move_the_labels(self):
        trace, label = (
            np.repeat(np.arange(200), 5),
            np.tile([True, False, False, False, False], 200),
        )
        odds = np.tile(np.log([4.0, 1, 1, 1, 1]), 200)
        drawn = chance(label, odds, np.ones((1000, 1)), trace, 500, 0)
        assert drawn.share.reshape(200, 5).mean(0) == pytest.approx([1 / 2, *[1 / 8] * 4], abs=0.02)

    def test_log_odds_follow_a_column(self):
        rng = np.random.default_rng(0)
        trace, x = np.repeat(np.arange(100), 30), rng.normal(size=3000)
        label = rng.random(3000) < 1 / (1 + np.exp(1 - 2 * x))
        fitted = log_odds(label, [x], trace)
        slope = stats.linregress(x, fitted).slope
        assert slope == pytest.approx(2, abs=0.2)
        assert (log_odds(label, [], trace) == 0).all()


def placed(seed, *, late):
    """Scores that rise along each trace, and a category that stands late, or anywhere."""
    rng = np.random.default_rng(seed)
    traces = {}
    for i in range(15):
        scores = np.arange(14) + 2 * rng.normal(size=14)
        odds = np.arange(14) / 14 if late else np.full(14, 0.5)
        letters = "".join("a" if rng.random() < o else "b" for o in odds)
        traces[f"p{i}", f"t{i}"] = (scores, letters)
    return enrichment(*frames(traces), {}, replace(CONF, draws=1000))


def test_p_is_even_by_chance_and_what_position_explains_is_gone_under_it():
    found = [one(placed(seed, late=False), category="a", control="none") for seed in range(25)]
    assert stats.kstest([row["p"] for row in found], "uniform").pvalue > 0.001
    shown = placed(0, late=True)
    raw, controlled = (
        one(shown, category="a", control=control) for control in ("none", "position")
    )
    assert raw["value"] > 0.4
    assert raw["p"] < 0.01
    assert abs(controlled["value"]) < 0.15
    assert controlled["p"] > 0.05
    plain = one(shown, category="a", control="length")["value"]  # all are of one length
    assert plain == pytest.approx(raw["value"], abs=0.05)


def test_the_interval_covers_the_ratio():
    """A true ratio of 2 over 30 problems: inside in about 95 of 100 simulated runs."""
    quick, inside = replace(CONF, draws=300), 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        every = rng.uniform(0.1, 0.3, 30)
        above = np.clip(2 * every + rng.normal(0, 0.1, 30), 0, 1)
        _, low, high = log_ratio(above, every, quick)
        inside += low <= 1 <= high
    assert 0.88 <= inside / 200 <= 0.99


def test_a_ratio_without_numerator_is_undefined():
    assert np.isnan(log_ratio(np.zeros(12), np.full(12, 0.2), CONF)).all()
