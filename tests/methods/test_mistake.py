"""`mistake` on rollouts made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from harness import (
    NO_ANSWER,
    Condition,
    Draw,
    Edit,
    Evidence,
    Problem,
    Rollouts,
    Sentence,
    Trace,
)
from harness.core.config import target
from harness.text.mistakes import mistaken

CONF = Path(__file__).parents[2] / "conf" / "method" / "mistake.yaml"
PROBLEM = Problem("p/0", "What is 6 times 7?", "42", None, "test", "evaluate")
TEXTS = ("Let me see. ", "I will add. ", "That makes 40. ")
TRACE = Trace(
    "t/0", PROBLEM, "m", "r", 0, (1,), tuple(range(9)), "".join(TEXTS),
    tuple(Sentence(t, 3 * i, 3 * i + 3, None) for i, t in enumerate(TEXTS)),
    "40", False, "m", "stop",
)  # fmt: skip


def detector(**options):
    return replace(target(OmegaConf.load(CONF)["mistake"], "mistake"), **options)


def drawn(*answers):
    correct = np.array([a == "42" for a in answers], bool)
    return Rollouts(np.arange(len(answers)), answers, correct, ("",) * len(answers))


ROLLOUTS = {
    ("mistake", 2): drawn("40", "40", "42", NO_ANSWER),
    ("mistake", 3): drawn("41", "41", "41", "40"),
    ("resample", 2): drawn("40", "42", "42", "42"),
    ("resample", 3): drawn("40", "40", "40", "40"),
}
HAVE = Evidence(4, "", (), ROLLOUTS)


def test_one_less_the_share_that_ends_with_the_same_answer():
    found = detector().score(TRACE, HAVE)
    np.testing.assert_allclose(found.score, [np.nan, 0.5, 0.75])
    np.testing.assert_allclose(found.diagnostics["same"], [np.nan, 0.5, 0.25])
    assert found.diagnostics["mistaken"].tolist() == [0, 1, 1]
    np.testing.assert_array_equal(found.diagnostics["n"], [np.nan, 4, 4])


def test_less_what_changes_without_a_mistake():
    made = detector(less_kept=True)
    np.testing.assert_allclose(made.score(TRACE, HAVE).score, [np.nan, -0.25, 0.75])
    assert made.signed
    assert not detector().signed


def test_it_draws_behind_the_mistaken_sentence_with_the_rest_redrawn():
    def draw(i):
        edit = Edit(i, i + 1, mistaken(TEXTS[i], 5, 0))
        return Draw(i + 1, 4, arm="mistake", condition=Condition(edits=(edit,)))

    assert detector().wants(TRACE, HAVE) == [draw(1), draw(2)]
    kept = [Draw(2, 4), Draw(3, 4)]
    assert detector(less_kept=True).wants(TRACE, HAVE) == [draw(1), draw(2), *kept]


def test_nothing_to_mistake_and_no_answer_say_so():
    plain = replace(TRACE, sentences=TRACE.sentences[:1])
    lost = replace(TRACE, answer=NO_ANSWER)
    reasons = ("no number or operation to mistake", "the trace has no answer")
    for given, reason in zip((plain, lost), reasons, strict=True):
        assert detector().wants(given, HAVE) == []
        found = detector().score(given, HAVE)
        assert np.isnan(found.score).all()
        assert found.reason == reason


def test_without_rollouts_it_is_undefined():
    found = detector().score(TRACE, replace(HAVE, rollouts={}))
    assert np.isnan(found.score).all()
    np.testing.assert_array_equal(found.diagnostics["n"], [np.nan, 0, 0])
