"""Which sentences are meant."""

import numpy as np

from harness.interventions.steered.naming import Named, spread, top
from tests.harness.interventions.made import trace

KINDS = ["PLAN", "BACK", None, "KEEP", "BACK", "RESULT"]


def test_sentences_of_some_kinds():
    assert Named(("BACK", "KEEP"), None, 1, 9).of(trace("p", KINDS), {}) == [1, 3, 4]
    assert Named(("BACK", "KEEP"), None, 1, 2).of(trace("p", KINDS), {}) == [1, 4]


def test_the_highest_scores_of_a_method_in_the_order_of_the_trace():
    scores = {"mi": np.array([0.1, np.nan, 0.9, 0.3, 0.9, -1.0])}
    named = Named((), "mi", 3, 9)
    assert named.of(trace("p", KINDS), scores) == [2, 3, 4]
    assert named.of(trace("p", KINDS), {}) == []
    assert top(np.array([np.nan, 1.0]), 5) == [1]


def test_at_most_so_many_from_first_to_last():
    assert spread([0, 1, 2, 3, 4], 3) == [0, 2, 4]
    assert spread([7], 3) == [7]
