"""`early_answer` and `commitment` on log-probabilities made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from harness import NO_ANSWER, Evidence, Likelihood, Problem, Sentence, Trace
from harness.core.config import target

CONF = Path(__file__).parents[2] / "conf" / "method"
PROBLEM = Problem("p/0", "What is 6 times 7?", "42", None, "test", "evaluate")
FORCE = "</think> \\boxed{"
GOLD, OWN = Likelihood("42}", FORCE), Likelihood("40}", FORCE)
P = np.array([0.1, 0.2, 0.9, 0.5, 0.8])  # behind 0, 1, … 4 sentences


def detector(name, **options):
    return replace(target(OmegaConf.load(CONF / f"{name}.yaml")[name], name), **options)


def trace(n=4, answer="40", gold="42"):
    sentences = tuple(Sentence("Same. ", i, i + 1, None) for i in range(n))
    ids, problem = tuple(range(n)), replace(PROBLEM, answer=gold)
    return Trace("t", problem, "m", "r", 0, (1,), ids, "", sentences, answer, False, "m", "stop")


def evidence(want, p=P):
    return Evidence(4, FORCE, (), answers={want: np.log(p)})


def test_the_change_of_the_gold_answer_without_and_with_its_sign():
    made = detector("early_answer")
    assert made.wants(trace(), Evidence(4, FORCE, ())) == [GOLD]
    found = made.score(trace(), evidence(GOLD))
    signed = np.log([2, 4.5, 5 / 9, 1.6])
    np.testing.assert_allclose(found.score, np.abs(signed))
    np.testing.assert_allclose(found.diagnostics["change"], signed)
    np.testing.assert_allclose(found.diagnostics["logprob"], np.log(P[1:]))


def test_the_own_answer_needs_no_gold():
    made = detector("early_answer", answer="own")
    assert made.wants(trace(gold=""), Evidence(4, FORCE, ())) == [OWN]
    np.testing.assert_allclose(made.score(trace(gold=""), evidence(OWN)).score[0], np.log(2))


@pytest.mark.parametrize(
    ("name", "options", "given", "reason"),
    [
        ("early_answer", {}, trace(gold=""), "no answer (answer=gold)"),
        ("early_answer", {}, trace(gold=NO_ANSWER), "no answer (answer=gold)"),
        ("early_answer", {"answer": "own"}, trace(answer=NO_ANSWER), "no answer (answer=own)"),
        ("commitment", {}, trace(answer=NO_ANSWER), "the trace has no answer"),
    ],
)
def test_without_an_answer_nothing_is_read_and_all_is_undefined(name, options, given, reason):
    made, nothing = detector(name, **options), Evidence(4, FORCE, ())
    assert made.wants(given, nothing) == []
    found = made.score(given, nothing)
    assert np.isnan(found.score).all()
    assert found.reason == reason


def test_what_does_not_fit_leaves_both_neighbours_undefined():
    late = np.array([0.1, 0.2, 0.9, np.nan, np.nan])
    early = detector("early_answer").score(trace(), evidence(GOLD, late))
    committed = detector("commitment").score(trace(), evidence(OWN, late))
    for found in (early, committed):
        np.testing.assert_array_equal(np.isnan(found.score), [False, False, True, True])
    assert np.isnan(committed.diagnostics["stays"]).all()
    assert np.isnan(committed.diagnostics["largest"]).all()


def test_commitment_is_the_gain_of_the_own_answer():
    made = detector("commitment")
    assert made.wants(trace(), Evidence(4, FORCE, ())) == [OWN]
    found = made.score(trace(), evidence(OWN))
    np.testing.assert_allclose(found.score, [0.1, 0.7, -0.4, 0.3])
    np.testing.assert_allclose(found.diagnostics["probability"], P[1:])
    assert found.diagnostics["largest"].tolist() == [0, 1, 0, 0]
    assert made.signed
    assert not detector("early_answer").signed


def test_the_answer_stays_from_where_it_never_falls_below_the_threshold():
    def stays(**options):
        made = detector("commitment", **options)
        return made.score(trace(), evidence(OWN)).diagnostics["stays"].tolist()

    assert stays(share=0.5) == [0, 1, 1, 1]  # from .1 to .8: .45
    assert stays(share=0.6) == [0, 0, 0, 1]  # .52: boundary 3 falls below it
    assert stays(share=0.1) == [1, 1, 1, 1]  # .17


def test_a_trace_that_adds_little_has_no_commitment_boundary():
    found = detector("commitment", min_gain=0.75).score(trace(), evidence(OWN))
    assert np.isfinite(found.score).all()
    assert np.isnan(found.diagnostics["stays"]).all()
    assert np.isnan(found.diagnostics["largest"]).all()
