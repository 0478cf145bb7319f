"""Rules for what a sentence does, and the agreement of two labellings."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import UserError
from harness.cli.hydra import composed, hydra_session
from harness.core.config import build
from harness.evidence.example import TRACE
from harness.run.traces import labelled
from harness.text.categories import Labels, Rule, kappa


@pytest.fixture(scope="module")
def labels() -> Labels:
    with hydra_session(None) as loader:
        return build(Labels, composed([], loader)["labels"], "labels")


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("The formula for compound interest is:", "fact_retrieval"),
        ("Let me try to break it down.", "plan_generation"),
        ("17 * 3 = 51", "active_computation"),
        ("Wait, that can’t be right.", "uncertainty_management"),
        ("Let me double-check this.", "self_checking"),
        ("So there are 188 fours in total.", "result_consolidation"),
        ("**Final Answer**\nIt is \\boxed{90}.", "final_answer_emission"),
    ],
)
def test_plain_cases(labels: Labels, text: str, category: str) -> None:
    assert labels.of(["Hmm."] * 30 + [text])[-1] == category


def test_the_question_stated_again_stands_at_the_start_only(labels: Labels) -> None:
    restated = "Okay, so I have this problem about a book of 488 pages."
    found = labels.of([restated, *["Hmm."] * 40, restated])
    assert (found[0], found[-1] == "problem_setup") == ("problem_setup", False)


def test_the_first_rule_that_fits_decides() -> None:
    rules = (
        Rule("early", "x", 0.0, 0.5, ()),
        Rule("after early", "x|y", 0.0, 1.0, ("early",)),
        Rule("any", "x", 0.0, 1.0, ()),
    )
    found = Labels(rules, "none").of(["X", "y", "y", "x y"])
    assert found == ["early", "after early", "none", "any"]


def test_no_rules_label_nothing() -> None:
    assert Labels((), "").of(["Wait."]) == [None]


def test_a_broken_pattern_and_a_stray_key_are_named() -> None:
    rule = {"category": "a", "pattern": "(", "since": 0, "until": 1, "follows": []}
    with pytest.raises(UserError, match=r"labels\.rules: \( is no regular expression"):
        build(Labels, {"rules": [rule], "otherwise": ""}, "labels")
    with pytest.raises(UserError, match=r"labels\.rules: Unexpected keyword argument"):
        build(Labels, {"rules": [{**rule, "tpyo": 1}], "otherwise": ""}, "labels")


def test_kappa_by_hand() -> None:
    # 20 + 15 of 50 alike; chance .5 · .6 + .5 · .4 = .5 (the textbook's 2 × 2 table)
    a = ["y"] * 25 + ["n"] * 25
    b = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert kappa(a, b) == pytest.approx(0.4)
    assert math.isnan(kappa(["y"], ["y"]))
    assert math.isnan(kappa([], []))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=2))
def test_kappa_is_symmetric_and_1_at_equality_alone(pairs: list[tuple[str, str]]) -> None:
    a, b = zip(*pairs, strict=True)
    value = kappa(a, b)
    if math.isnan(value):
        assert len({*a, *b}) == 1
        return
    assert value == pytest.approx(kappa(b, a))
    assert (value == pytest.approx(1)) == (a == b)


def test_the_sentences_of_a_trace_get_their_categories() -> None:
    rules = Labels((Rule("one", "apples", 0.0, 0.5, ()),), "none")
    found = labelled(TRACE, rules, Path("nowhere"))
    assert [s.category for s in found.sentences] == ["one", "one", "none", "none"]
    assert [replace(s, category=None) for s in found.sentences] == list(TRACE.sentences)
    assert labelled(TRACE, Labels((), ""), Path("nowhere")) == TRACE
