"""`rpt` on guesses made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from harness import (
    Condition,
    Draw,
    Evidence,
    Problem,
    Read,
    Reading,
    Rollouts,
    RolloutText,
    Sentence,
    Trace,
)
from harness.core.config import target
from harness.evidence.example import wanted
from harness.text.guesses import boxed, prefix_matches

CONF = Path(__file__).parents[2] / "conf" / "method" / "rpt.yaml"
PROBLEM = Problem("p/0", "What is 6 times 7?", "42", None, "test", "evaluate")
WORDS = ("I", " will", " add", ".", " So", " it", " is", " 40", ".")
TEXT = "".join(WORDS)
STARTS = tuple(len("".join(WORDS[:n])) for n in range(len(WORDS)))
TRACE = Trace(
    "t/0", PROBLEM, "m", "r", 0, (1,), tuple(range(9)), TEXT,
    (Sentence(TEXT[:11], 0, 4, None), Sentence(TEXT[11:], 4, 9, None)),
    "40", False, "m", "stop", STARTS,
)  # fmt: skip
ENTROPY = np.array([0.1, 2.0, 0.3, 0, 0, 0.1, 0.2, 0.6, 0])  # " will", " 40"
READ, NOTHING = Read(top_entropy=16), Evidence(9, "", ())


def detector(**options):
    return replace(target(OmegaConf.load(CONF)["rpt"], "rpt"), **options)


MADE = detector(guesses=4, think=" Think.", at_once=" Now \\boxed{", most=20)
GUESSES = {  # after a thought, at once
    0: (["\\boxed{ will}", "Hm. \\boxed{will}", "\\boxed{ will add}", "no"], [" do}"] * 4),
    1: (["\\boxed{ 4}", "\\boxed{ 40.}", "\\boxed{ 40}", "\\boxed{ 40. }"], [" 40}"] * 3 + [" 40"]),
}


def draws(i, skip, made=MADE):
    thought = Draw(i, 4, "answer", "rpt", " Think.", skip=skip, most=20, temperature=0.8)
    return thought, Draw(i, 4, "answer", "rpt_at_once", " Now \\boxed{", skip=skip, temperature=0.8)


def drawn(n=4):
    return Rollouts(np.arange(n), ("",) * n, np.zeros(n, bool), ("",) * n)


def evidence(guesses=GUESSES):
    rollouts, answers = {}, {}
    for i, texts in guesses.items():
        for arm, said in zip(("rpt", "rpt_at_once"), texts, strict=True):
            rollouts[arm, i] = drawn()
            answers[RolloutText(arm, i, 4)] = dict(enumerate(said))
    readings = {Condition(): Reading(top_entropy={16: ENTROPY})}
    return replace(NOTHING, rollouts=rollouts, answers=answers, readings=readings)


def test_it_reads_then_draws_at_the_hardest_tokens_then_reads_the_guesses():
    assert MADE.wants(TRACE, NOTHING) == [READ]
    read = replace(evidence(), rollouts={})
    every = [*draws(0, 1), *draws(1, 3)]
    assert MADE.wants(TRACE, read) == [READ, *every]
    texts = [RolloutText(draw.arm, draw.boundary, 4) for draw in every]
    assert MADE.wants(TRACE, evidence()) == [READ, *every, *texts]


def test_one_less_the_share_of_guesses_that_are_how_the_trace_goes_on():
    found = MADE.score(TRACE, evidence())
    # 0: " will" and " will add" are right, "will" lacks the space, one has no box
    # 1: " 40." and " 40" are right, " 4" ends within a token, " 40. " goes beyond the text
    np.testing.assert_allclose(found.score, [0.5, 0.5])
    np.testing.assert_allclose(found.diagnostics["failures"], [0.25, 0])
    np.testing.assert_allclose(found.diagnostics["reward_at_once"], [0, 0.75])
    np.testing.assert_allclose(found.diagnostics["failures_at_once"], [0, 0.25])
    np.testing.assert_allclose(found.diagnostics["helped"], [0.5, -0.25])
    np.testing.assert_allclose(found.diagnostics["entropy"], [2.0, 0.6])


def test_what_it_will_draw_is_known_before_there_is_a_trace():
    kinds = {(w.arm, w.most) for w in wanted(detector(), NOTHING) if isinstance(w, Draw)}
    assert kinds == {("rpt", 128), ("rpt_at_once", None)}


def test_half_of_the_draws_is_scored_by_their_own_guesses():
    keep = {key: np.array([True, True, False, False]) for key in evidence().rollouts}
    found = MADE.score(TRACE, evidence().subset(keep))
    np.testing.assert_allclose(found.score, [0.5, 0.5])
    np.testing.assert_allclose(found.diagnostics["failures"], [0, 0])


def test_what_is_not_hard_is_not_asked():
    made = replace(MADE, hard=1.0)
    assert made.wants(TRACE, replace(evidence(), rollouts={})) == [READ, *draws(0, 1)]
    np.testing.assert_array_equal(np.isnan(made.score(TRACE, evidence()).score), [False, True])
    none = replace(MADE, hard=5.0).score(TRACE, evidence())
    assert np.isnan(none.score).all()
    assert none.reason == "no sentence has a token of 5 nats (hard)"


def test_guesses_that_all_fail_on_format_say_nothing_but_that():
    failed = {
        i: (["no box", "\\boxed{open", "", "}"], at_once) for i, (_, at_once) in GUESSES.items()
    }
    found = MADE.score(TRACE, evidence(failed))
    assert np.isnan(found.score).all()
    assert found.reason == "all guesses fail on format"
    np.testing.assert_allclose(found.diagnostics["failures"], [1, 1])


def test_a_model_that_cannot_think_is_asked_nothing_and_it_says_so():
    mute = replace(MADE, think=None)
    assert mute.wants(TRACE, NOTHING) == []
    found = mute.score(TRACE, NOTHING)
    assert np.isnan(found.score).all()
    assert found.reason == "the model's yaml does not say how it thinks (options.rpt.think)"


@given(st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=5), st.integers(1, 5))
def test_a_guess_of_whole_tokens_is_right_and_a_part_of_one_is_not(tokens, n):
    text = "".join(tokens)
    starts = [len("".join(tokens[:k])) for k in range(len(tokens))]
    said = "".join(tokens[:n])
    assert prefix_matches(said, text, starts)
    assert not prefix_matches("", text, starts)
    assert not prefix_matches(said + "x", said, starts[:n])
    # by bytes, as the source has it
    ends = {len("".join(tokens[: k + 1]).encode()) for k in range(len(tokens))}
    for stop in range(1, len(text) + 1):
        guess = text[:stop]
        by_bytes = text.encode().startswith(guess.encode()) and len(guess.encode()) in ends
        assert prefix_matches(guess, text, starts) == by_bytes


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a \\boxed{ x} b \\boxed{ y }", " y "),
        ("\\boxed{\\frac{1}{2}} and \\boxed{open", "\\frac{1}{2}"),
        ("\\boxed{}", ""),
        ("} {a} \\boxed", None),
    ],
)
def test_the_last_closed_box_counts_with_its_white_space(text, found):
    assert boxed(text) == found
