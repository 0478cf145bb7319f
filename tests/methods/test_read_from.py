"""`span_mask`, `true_thinking` and `nldd` on log-probabilities made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from harness import NO_ANSWER, Condition, Edit, Evidence, Likelihood, Mask, Problem, Sentence, Trace
from harness.core.config import target
from harness.text.mistakes import disturbed, mistaken
from methods.nldd import near

CONF = Path(__file__).parents[2] / "conf" / "method"
PROBLEM = Problem("p/0", "What is 6 times 7?", "42", None, "test", "evaluate")
FORCE = "</think> \\boxed{"
TEXTS = ("So 2 and 3 make 5. ", "Let me think. ", "Then 5 plus 4 makes 9. ")


def detector(name, **options):
    return replace(target(OmegaConf.load(CONF / f"{name}.yaml")[name], name), **options)


def trace(answer="9", gold="9", texts=TEXTS):
    sentences = tuple(Sentence(text, 2 * i, 2 * i + 2, None) for i, text in enumerate(texts))
    problem = replace(PROBLEM, answer=gold)
    ids = tuple(range(2 * len(texts)))
    return Trace("t", problem, "m", "r", 0, (1,), ids, "", sentences, answer, True, "m", "stop")


def evidence(answers, references=()):
    found = {want: np.log(np.atleast_1d(p)) for want, p in answers.items()}
    return Evidence(4, FORCE, references, answers=found)


def masked(sentence):
    return Likelihood("9}", FORCE, (3,), Condition(under=(Mask((sentence,)),)))


def edited(*edits, boundary, text="9}"):
    return Likelihood(text, FORCE, boundary, Condition(edits=edits))


def test_what_hiding_a_sentence_takes_from_the_answer():
    made, plain = detector("span_mask"), Likelihood("9}", FORCE, (3,))
    hidden = {masked(0): 0.4, masked(1): 0.9, masked(2): 0.1}
    have = evidence({plain: 0.8, **hidden})
    assert list(made.wants(trace(), have)) == [plain, *hidden]
    found = made.score(trace(), have)
    np.testing.assert_allclose(found.score, np.log([2, 8 / 9, 8]))
    np.testing.assert_allclose(found.diagnostics["logprob"], np.log([0.4, 0.9, 0.1]))


def test_two_contexts_and_a_sentence_without_numbers():
    made = detector("true_thinking")
    first, last = (disturbed(TEXTS[i], made.largest, made.seed) for i in (0, 2))
    edits = Edit(0, 1, first), Edit(2, 3, last)
    answers = {
        Likelihood("9}", FORCE): [0.1, 0.3, 0.35, 0.9],
        edited(*edits, boundary=None): [0.1, 0.2, 0.28, 0.25],
        edited(edits[0], boundary=(1,)): 0.15,
        edited(edits[1], boundary=(3,)): 0.4,
        edited(boundary=(1,)): 0.3,
        edited(edits[0], boundary=(3,)): 0.5,
    }
    have = evidence(answers)
    assert set(made.wants(trace(), have)) == set(answers)
    found = made.score(trace(), have)
    needed = [0.3 - 0.15, 0.35 - 0.3, 0.9 - 0.4]
    enough = [0.3 - 0.2, 0.28 - 0.2, 0.5 - 0.25]
    np.testing.assert_allclose(found.diagnostics["needed"], needed)
    np.testing.assert_allclose(found.diagnostics["enough"], enough)
    np.testing.assert_allclose(found.score, np.mean([needed, enough], axis=0))
    assert found.diagnostics["numbers"].tolist() == [1, 0, 1]


def test_where_no_number_can_be_disturbed_every_sentence_is_left_out():
    made, quiet = detector("true_thinking"), trace(texts=("Let me think. ", "Now what? "))
    have = evidence({Likelihood("9}", FORCE): [0.5, 0.7, 0.6]})
    assert made.wants(quiet, have) == [Likelihood("9}", FORCE)]
    np.testing.assert_allclose(made.score(quiet, have).score, [0.2, 0.1])


def test_disturbed_numbers_move_by_a_little_and_keep_their_digits():
    found = disturbed("1. So 12 + 30 = 42. ", 3, 0)
    _, *numbers = [int(word.strip(".")) for word in found.split() if word.strip(".").isdigit()]
    assert found.startswith("1. So ")
    assert all(0 < abs(a - b) <= 3 for a, b in zip(numbers, (12, 30, 42), strict=True))
    assert disturbed("Let me think.", 3, 0) is None
    assert disturbed("So 12.", 3, 0) == disturbed("So 12.", 3, 0)


def margins(made, clean, first, last):
    """Answers 9 and 0, by where they are forced."""
    edits = [Edit(i, i + 1, mistaken(TEXTS[i], made.largest, made.seed)) for i in (0, 2)]
    places = [((), (3,)), ((edits[0],), (1,)), ((edits[1],), (3,))]
    found = {}
    for (some, boundary), pair in zip(places, (clean, first, last), strict=True):
        for text, p in zip(("9}", "0}"), pair, strict=True):
            found[edited(*some, boundary=boundary, text=text)] = p
    return found


def test_the_share_of_the_lead_that_a_mistake_takes():
    made = detector("nldd", others=1)
    have = evidence(margins(made, (0.8, 0.1), (0.2, 0.1), (0.05, 0.4)))
    assert set(made.wants(trace(), have)) == set(have.answers)
    found = made.score(trace(), have)
    expected = [1 - np.log(2) / np.log(8), np.nan, 2]  # the other answer leads by as much
    np.testing.assert_allclose(found.score, expected)
    np.testing.assert_array_equal(found.diagnostics["mistaken"], [1, 0, 1])


def test_without_a_lead_nothing_is_defined():
    made = detector("nldd", others=1)
    found = made.score(trace(), evidence(margins(made, (0.3, 0.3), (0.2, 0.1), (0.1, 0.4))))
    assert np.isnan(found.score).all()
    assert found.reason == "the answer has no lead"


def test_numbers_are_compared_with_their_neighbours():
    assert near("42") == ["0", "43", "41", "420", "4.2"]
    assert near("0") == ["1", "-1"]
    assert near("2.50") == ["0", "3.5", "1.5", "25", "0.25"]
    assert near("x + 1") == near("NaN") == []


def test_another_answer_is_compared_with_those_of_the_references():
    made, references = (
        detector("nldd", others=2),
        tuple(replace(PROBLEM, id=str(i), answer=a) for i, a in enumerate(["x", "y", "y", "z"])),
    )
    have = replace(evidence({}), references=references)
    wants = made.wants(trace(gold="x"), have)
    assert {want.text for want in wants} == {"x}", "y}", "z}"}
    lonely = made.score(trace(gold="x"), evidence({}))
    assert lonely.reason == "no other answer to compare with"


@pytest.mark.parametrize("name", ["span_mask", "true_thinking", "nldd", "oar_g"])
def test_without_an_answer_nothing_is_asked(name):
    made, given = detector(name), trace(answer=NO_ANSWER, gold="")
    assert list(made.wants(given, evidence({}))) == []
    found = made.score(given, evidence({}))
    assert np.isnan(found.score).all()
    assert found.reason == f"no answer (answer={made.answer})"


def test_numbers_that_cannot_be_mistaken_leave_all_undefined():
    quiet = trace(texts=("Let me think. ", "Now what? "))
    found = detector("nldd").score(quiet, evidence({}))
    assert found.reason == "no number or operation to mistake"
