from typing import Any

import numpy as np
import polars as pl
import pytest

from harness.core import Problem, Reading, Sentence, Trace
from harness.models.model import Model
from harness.series.checkpoints import Checkpoint
from harness.series.measures import Surprise, relative, strategies, surprise
from harness.series.table import by_problem, dynamics, token_rows
from harness.store import schema
from tests.harness.comparing import load

MODEL = Model("m", "p", None, "float32", "cpu", None, "", "", "", False, {}, ())
GRAMS = ("so I add", "my plan")


def trace(text: str, problem: str = "p", reasoning: int | None = None) -> Trace:
    """A trace of one token a word, the first `reasoning` of which are a sentence."""
    words = text.split(" ")
    starts = tuple(len(" ".join(words[:i])) for i in range(len(words)))
    n = len(words) if reasoning is None else reasoning
    sentence = Sentence(text, 0, n, None)
    asked = Problem(problem, "", "", None, "", "evaluate")
    ids = tuple(range(len(words)))
    return Trace(
        "t", asked, "m", "r", 0, (1,), ids, text, (sentence,), "", True, "sampled", "stop", starts
    )


def read(entropy: list[float], logprob: list[float]) -> Any:
    found = Reading(np.array(entropy, np.float32), np.array(logprob, np.float32))
    return lambda _: found


def test_tokens_are_planning_inside_a_gram_and_execution_elsewhere():
    made = surprise(
        [trace("Two. So I add them now done", reasoning=6)],
        read([1, 2, 3, 4, 5, 6, 100], [-1, -2, -3, -4, -5, -6, -100]),
        GRAMS,
    )
    assert made.entropy["p", "planning"] == pytest.approx((2 + 3 + 4) / 3)
    assert made.entropy["p", "execution"] == pytest.approx((1 + 5 + 6) / 3)
    assert made.surprisal["p", "all"] == pytest.approx(21 / 6)


def test_tokens_of_all_rollouts_of_a_problem_count_alike():
    readings = iter([read([1, 1], [0, 0])(None), read([4], [0])(None)])
    both = surprise([trace("a b"), trace("c")], lambda _: next(readings), GRAMS)
    assert both.entropy == {("p", "execution"): 2.0, ("p", "all"): 2.0}  # no planning, no entry


def test_tokens_beyond_the_context_are_left_out():
    made = surprise([trace("a b")], read([1, np.nan], [-1, np.nan]), GRAMS)
    assert made.entropy["p", "execution"] == 1.0


def test_relative_perplexity():
    now, before = Surprise({}, {("p", "all"): 1.5}), Surprise({}, {("p", "all"): 1.0})
    assert relative(now, before) == {("p", "all"): pytest.approx(np.exp(0.5))}
    assert relative(before, before) == {("p", "all"): 1.0}
    assert relative(now, Surprise({}, {("q", "all"): 1.0})) == {}


def test_which_grams_are_used_and_what_follows():
    texts = ["So I add two and two. My plan is this one", "so I add two, and two"]
    found = strategies([trace(t) for t in texts], GRAMS, 3)["p"]
    assert found.used == {("so", "i", "add"): 2, ("my", "plan"): 1}
    third = -(2 / 3) * np.log(2 / 3) - (1 / 3) * np.log(1 / 3)
    assert found.entropy == pytest.approx(third + 1 / 6)
    assert found.conditional == pytest.approx(0.0)  # of the gram used twice; the same words follow
    other = strategies([trace("so I add two and two so I add one and one")], GRAMS, 3)["p"]
    assert other.conditional == pytest.approx(np.log(2) + 1 / 4)


def test_nothing_is_said_of_one_use():
    found = strategies([trace("so I add")], GRAMS, 3)["p"]
    assert np.isnan(found.entropy)
    assert np.isnan(found.conditional)


def test_grams_of_the_answer_are_no_strategy():
    found = strategies([trace("my plan is my plan", reasoning=3)], GRAMS, 1)["p"]
    assert found.used == {("my", "plan"): 1}


def test_means_over_problems_and_geometric_ones_of_ratios():
    at = Checkpoint("rl", MODEL, 3.0)
    now = Surprise(
        {(f"p{i}", "all"): float(i) for i in range(12)},
        {(f"p{i}", "all"): i % 2 * np.log(4) for i in range(12)},
    )
    first = Surprise({}, {(f"p{i}", "all"): 0.0 for i in range(12)})
    values = by_problem(list(token_rows(at, "own", now, first)))
    made = dynamics(values, load())
    assert made.schema == pl.Schema(schema.DYNAMICS)
    entropy, ratio = made.rows(named=True)
    assert (entropy["measure"], entropy["value"], entropy["n_problems"]) == ("entropy", 5.5, 12)
    assert entropy["low"] < 5.5 < entropy["high"]
    assert ratio["value"] == pytest.approx(2.0)  # of 1 and 4
    assert ratio["low"] * ratio["high"] == pytest.approx(4.0)


def test_of_few_problems_there_is_no_interval_and_nothing_undefined_counts():
    rows = [{"checkpoint": "a", "measure": "x", "problem_id": f"p{i}", "value": v}
            for i, v in enumerate([1.0, float("nan"), 3.0])]  # fmt: skip
    (row,) = dynamics(by_problem(rows), load()).rows(named=True)
    assert (row["value"], row["low"], row["n_problems"]) == (2.0, None, 2)
