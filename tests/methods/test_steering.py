"""`steering`: vectors by hand, and what stands in their way."""

import numpy as np
import pytest

from harness import PLAIN, Evidence, Problem, Reading, Sentence, Trace, UserError
from methods.steering import Steering, matched

PROBLEM = Problem("p", "q", "a", None, "s", "evaluate")
OWN = Steering(1, 2, ("plan", "check"), 2)


def made(*kinds: str, states: list[list[float]]) -> tuple[Trace, Evidence]:
    """A trace of three-token sentences whose first two states are the same."""
    sentences = tuple(Sentence("", 3 * i, 3 * i + 3, kind) for i, kind in enumerate(kinds))
    n = 3 * len(kinds)
    trace = Trace("t", PROBLEM, "m", "r", 0, (1,), (1,) * n, "", sentences, "a", True, "", "")
    rows = [row for state in states for row in (state, state, [99.0, 99.0])]
    reading = Reading(states={1: np.array(rows, np.float32)})
    return trace, Evidence(1, "", (), readings={PLAIN: reading})


def test_by_hand():
    # Plans lie at (4, 0), all else at (0, 0): mean (2, 0), the plan's vector is the first axis.
    given = made("plan", "other", "plan", "other", states=[[4, 0], [0, 0], [4, 0], [0, 0]])
    fitted = OWN.fit(*[[one] for one in given])
    assert fitted.facts == {"sentences": {"plan": 2, "check": 0}}
    trace, have = made("x", "y", states=[[5, 7], [1, 7]])
    assert fitted.score(trace, have).score.tolist() == pytest.approx([5 - 2, 1 - 2])


def test_the_largest_projection_counts():
    states = [[4, 0], [0, 4], [4, 0], [0, 4]]
    fitted = OWN.fit(*[[one] for one in made("plan", "check", "plan", "check", states=states)])
    trace, have = made("x", states=[[2, 12]])
    # Mean (2, 2); the vectors are (1, -1) and (-1, 1) over the root of two.
    assert fitted.score(trace, have).score.tolist() == pytest.approx([10 / np.sqrt(2)])


def test_what_is_due_to_length_alone_makes_no_vector():
    lengths = np.array([1, 1, 9, 9])
    states = np.array([[1.0], [1.0], [5.0], [5.0]])
    assert (states - matched(states, lengths)).tolist() == [[0], [0], [0], [0]]


def test_too_few_sentences_are_a_reason():
    given = made("plan", "other", states=[[4, 0], [0, 0]])
    fitted = OWN.fit(*[[one] for one in given])
    found = fitted.score(*given)
    assert np.isnan(found.score).all()
    assert found.reason == "fewer than 2 calibration sentences of every category"
    assert OWN.score(*given).reason == "not fitted"


def test_no_category_is_named():
    with pytest.raises(UserError, match="categories: name at least one"):
        Steering(1, 2, (), 2)
