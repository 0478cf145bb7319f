"""Which categories stand at the top, by hand and against a plain version."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.agreement import Agreement
from harness.analysis.enrichment import enrichment, log_ratio, top
from harness.cli.hydra import composed, hydra_session
from harness.core.config import build


@pytest.fixture(scope="module")
def conf() -> Agreement:
    with hydra_session(None) as loader:
        return build(Agreement, composed([], loader)["agreement"], "agreement")


def frames(
    traces: dict[tuple[str, str], tuple[list[float], str]],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Scores and sentences of traces (problem, trace): scores, one letter a sentence."""
    rows = [
        {"model": "m", "method": "x", "problem_id": problem, "trace_id": trace, "sentence": i,
         "score": score, "category": letter if letter != "-" else None}
        for (problem, trace), (scores, letters) in traces.items()
        for i, (score, letter) in enumerate(zip(scores, letters, strict=True))
    ]  # fmt: skip
    schema = {"sentence": pl.Int32, "score": pl.Float64, "category": pl.String}
    frame = pl.DataFrame(rows, schema_overrides=schema)
    return frame.drop("category"), frame.select("trace_id", "sentence", "category")


def test_shares_by_hand(conf: Agreement) -> None:
    """Ten sentences have one place at the top; of four a tie at the edge gives each a half."""
    scores, sentences = frames(
        {
            ("p", "p1"): ([9, *[0] * 9], "abbbbbbbbb"),
            ("p", "p2"): ([0, *[0] * 8, 9], "abbbbbbbbb"),
            ("q", "q1"): ([5, 5, 1, 1], "abaa"),
            ("q", "q2"): ([1, 1, 1, 1], "aaaa"),  # ranks nothing
        }
    )
    found = {row["category"]: row for row in enrichment(scores, sentences, {}, conf).to_dicts()}
    # a at the top: p (1 + 0)/2, q 1/2; of all: p 1/10, q 3/4
    assert found["a"]["value"] == pytest.approx(np.log2(0.5 / ((0.1 + 0.75) / 2)))
    assert found["b"]["value"] == pytest.approx(np.log2(0.5 / ((0.9 + 0.25) / 2)))
    assert (found["a"]["n_problems"], found["a"]["n_sentences"]) == (2, 5)
    assert found["a"]["low"] is None


def test_the_size_of_signed_scores_counts(conf: Agreement) -> None:
    scores, sentences = frames({("p", "p1"): ([-9, 1, 2, 3], "abbb")})
    signed = enrichment(scores, sentences, {"x": True}, conf)
    assert dict(signed.select("category", "value").iter_rows()) == {"a": 2.0, "b": None}
    plain = enrichment(scores, sentences, {"x": False}, conf)
    assert dict(plain.select("category", "value").iter_rows())["a"] is None


def test_undefined_scores_and_unknown_categories_are_left_out(conf: Agreement) -> None:
    scores, sentences = frames({("p", "p1"): ([np.nan, 4, 1, 2, 3], "aab--")})
    found = enrichment(scores, sentences, {}, conf)
    assert dict(found.select("category", "value").iter_rows()) == {"a": 2.0, "b": None}
    assert dict(found.select("category", "n_sentences").iter_rows())["a"] == 1
    _, blank = frames({("p", "p1"): ([1, 2], "--")})
    assert enrichment(scores, blank, {}, conf).is_empty()


def test_problems_without_the_category_do_not_count(conf: Agreement) -> None:
    traces = {("p", "p1"): ([1.0, 2, 3, 4], "aabb"), ("q", "q1"): ([1.0, 2, 3, 4], "bbbb")}
    found = enrichment(*frames(traces), {}, conf)
    assert dict(found.select("category", "n_problems").iter_rows()) == {"a": 1, "b": 2}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=25), st.floats(0.05, 0.6))
def test_the_top_against_drawing_the_ties(values: list[int], fraction: float) -> None:
    scores, _ = frames({("p", "p1"): ([float(v) for v in values], "-" * len(values))})
    placed = top(scores, {}, fraction)
    if len(set(values)) == 1:
        assert placed.is_empty()
        return
    k = max(1, round(fraction * len(values)))
    assert placed["top"].sum() == pytest.approx(k)
    rng, times = np.random.default_rng(0), 400
    seen = np.zeros(len(values))
    for _ in range(times):
        seen[np.lexsort((rng.random(len(values)), values))[-k:]] += 1 / times
    np.testing.assert_allclose(placed["top"], seen, atol=0.12)


def test_the_interval_covers_the_ratio(conf: Agreement) -> None:
    """A true ratio of 2 over 30 problems: inside in about 95 of 100 simulated runs."""
    quick, inside = replace(conf, draws=300), 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        every = rng.uniform(0.1, 0.3, 30)
        above = np.clip(2 * every + rng.normal(0, 0.1, 30), 0, 1)
        _, low, high = log_ratio(above, every, quick)
        inside += low <= 1 <= high
    assert 0.88 <= inside / 200 <= 0.99


def test_a_ratio_without_numerator_is_undefined(conf: Agreement) -> None:
    assert np.isnan(log_ratio(np.zeros(12), np.full(12, 0.2), conf)).all()
