from dataclasses import replace

import numpy as np
import pytest

from harness.core import NO_ANSWER, Cut, Donor, Rollouts, Sentence
from harness.interventions.doubted import bodies
from tests.harness.interventions.made import trace

TRACE = trace("p", [None] * 3)
OTHER = [trace(f"q{i}", [None]).problem for i in range(4)]


def told(*texts: str):
    cut = tuple(Sentence(t, i, i + 1, None) for i, t in enumerate(texts))
    return replace(TRACE, sentences=cut)


def test_a_donor_states_another_answer_and_each_problem_gives_one():
    donors = [
        Donor(OTHER[0], ("Same.",), "1.0", True),
        Donor(OTHER[1], ("None.",), NO_ANSWER, False),
        Donor(OTHER[2], ("It", " is."), "2", True),
        Donor(OTHER[2], ("Again.",), "3", False),
        Donor(OTHER[3], ("Last.",), "4", True),
    ]
    assert bodies.swapped(donors, "1", 1) == ["It is."]
    assert bodies.swapped(donors, "1", 5) == ["It is.", "Last."]
    assert bodies.swapped([], "1", 5) == []


def test_of_a_model_that_says_one_answer_to_everything_the_question_counts():
    asks_too = replace(OTHER[0], answer="1")
    donors = [
        Donor(asks_too, ("Same.",), "1", True),
        Donor(replace(OTHER[1], answer="2"), ("Asked for two.",), "1", False),
    ]
    assert bodies.swapped(donors, "1", 5) == ["Asked for two."]


def test_wrong_rollouts_up_to_their_last_sentence():
    drawn = Rollouts(
        np.arange(4),
        ("1", "2", NO_ANSWER, "3"),
        np.array([True, False, False, False]),
        ("",) * 4,
    )
    texts = {i: f"We add. So {i}.\n</think>{i}" for i in range(4)}
    said = {Cut(i): ("We add.", f"So {i}.") for i in range(4)}
    assert bodies.wrong(drawn, texts, said, 2) == ["We add. So 1.", "We add. So 3."]
    assert bodies.wrong(drawn, texts, {Cut(1): ("Not there.",)}, 2) == []


def test_orders_are_other_ones_and_always_the_same():
    one = told("a.", "b.", "c.")
    found = bodies.shuffled(one, 5, 0)
    assert found == bodies.shuffled(one, 5, 0)
    assert "a.b.c." not in found
    assert {"".join(sorted(text)) for text in found} == {"...abc"}
    assert bodies.shuffled(told("a.", "a."), 5, 0) == []


def test_mistakes_where_there_can_be_one():
    found = bodies.with_mistakes(told("We see.", " It is 4."), 5, 0)
    assert found[0].startswith("We see. It is ")
    assert "4" not in found[0]
    assert bodies.with_mistakes(told("We see."), 5, 0) == []


@pytest.mark.parametrize(("tokens", "length", "times"), [(2, 7, 4), (3, 9, 3), (5, 1, 1)])
def test_filler_is_as_long_as_the_trace(tokens: int, length: int, times: int):
    assert bodies.filled("x", tokens, length) == "x" * times
