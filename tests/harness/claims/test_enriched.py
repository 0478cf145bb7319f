from itertools import permutations

import numpy as np
import pytest

from harness.claims.enriched import Enriched, Selected, log_ratio, permuted, shares
from tests.harness.claims.made import frames

RNG = np.random.default_rng(0)
TEST = Enriched(("x", "y"), ("plan",), 500)


def scored(top: int, n: int = 10) -> list[float]:
    """Scores of a trace whose highest is sentence `top`."""
    return [float(i == top) + 0.01 * i / n for i in range(n)]


def given(x: int, y: int, problems: int = 12):
    """Every second sentence of each trace is a plan; the methods' tops are at x and y."""
    names = [f"p{i}-0" for i in range(problems)]
    labels = {name: ["plan" if i % 2 == 0 else None for i in range(10)] for name in names}
    scores = {"x": {name: scored(x) for name in names}, "y": {name: scored(y) for name in names}}
    return frames(scores, categories=labels)


def test_twice_as_often_at_the_top_is_one_doubling():
    mean, x, y = TEST.parts(given(2, 4))
    assert mean.effect == x.effect == y.effect == pytest.approx(1.0)
    assert (mean.n_problems, mean.name, x.name) == (12, "mean", "x")
    assert mean.p == pytest.approx(1 / 501)
    assert mean.p_below == 1.0
    assert [part.decides for part in (mean, x, y)] == [True, False, False]


def test_never_at_the_top_is_far_below_chance():
    mean, x, y = TEST.parts(given(3, 5))
    assert mean.effect == pytest.approx(np.log2(0.5 / 12.5))
    assert mean.p_below == pytest.approx(1 / 501)
    assert x.effect is None
    assert x.reason == y.reason == "never in its top"


def test_a_problem_without_the_kind_takes_no_part():
    some = given(2, 4)
    other = some.sentences.with_columns(
        category=np.where(some.sentences["trace_id"] == "p0-0", "else", some.sentences["category"])
    )
    found = frames({}).__class__(**{**some.__dict__, "sentences": other})
    assert TEST.parts(found)[0].n_problems == 11


def test_without_the_kind_or_a_method_the_claim_is_not_tested():
    names = {"p0-0": scored(1)}
    (part,) = TEST.parts(frames({"x": names}))
    assert part.missing == "add method=[y]"
    (part,) = TEST.parts(frames({"x": names, "y": names}))
    assert part.missing == "no sentence has such a category: add labels=default"


def test_the_permutation_p_is_that_of_all_permutations():
    weight = np.array([[1.0], [0.0], [0.0], [0.0]])
    traces = [Selected("p", weight, np.array([True, True, False, False]))]
    value, _ = log_ratio(*shares(traces, 1))
    every = [np.array(order) for order in permutations(traces[0].of_kind)]
    exact = np.mean([labels @ weight >= 1 for labels in every])
    above, below = permuted(traces, value, 20_000, 0)
    assert above == pytest.approx(exact, abs=0.015)
    assert below == 1.0


def test_what_the_problems_add_is_the_derivative():
    share, every = RNG.uniform(0.2, 0.9, (15, 2)), RNG.uniform(0.2, 0.6, 15)
    value, adds = log_ratio(share, every)
    assert adds.mean() == pytest.approx(0, abs=1e-12)
    weights = np.full(15, 1 / 15)
    weights[3] += 1e-6
    moved = np.log2((weights @ share) / (weights @ every)).mean()
    # d/dw of log2(sum w share / sum w every), the weights not renormalised
    assert (moved - value) / 1e-6 == pytest.approx(adds[3], abs=1e-4)
