"""`resampling_smoothed`: few rollouts tell a change from noise, halves tell nothing."""

from dataclasses import replace

import numpy as np
import pytest

from harness import Draw, Evidence, Problem, Rollouts, Sentence, Trace
from harness.run.scoring import score
from methods.resampling_smoothed import ResamplingSmoothed

PROBLEM = Problem("p", "q", "a", None, "s", "evaluate")
SPANS = tuple(Sentence(f"s{i}.", i, i + 1, None) for i in range(4))
TRACE = Trace("t", PROBLEM, "m", "r", 0, (1,), (1, 2, 3, 4), "", SPANS, "a", True, "", "")
METHOD = ResamplingSmoothed((0.1, 0.3), 1.0, "end")


def drawn(*answers: str) -> Rollouts:
    n = len(answers)
    if not n:
        return Rollouts(np.zeros(0, np.int64), (), np.zeros(0, np.bool_), ())
    return Rollouts(np.arange(n), answers, np.array([a == "a" for a in answers]), ("",) * n)


def evidence(*sweep: Rollouts) -> Evidence:
    return Evidence(8, "", (), rollouts={("resample", k): r for k, r in enumerate(sweep)})


NOISY, SURE = drawn(*"aabbabab"), drawn(*"aaaaaaaa")


def test_the_sentence_that_changes_the_answers_stands_out():
    found = METHOD.score(TRACE, evidence(NOISY, drawn(*"abababba"), SURE, SURE, SURE))
    assert int(np.argmax(found.score)) == 1
    assert found.score[1] > 5 * np.delete(found.score, 1).max()
    assert found.diagnostics["change"][1] > 0.8
    assert found.diagnostics["headroom"][0] == pytest.approx(np.log(2), abs=0.02)


def test_no_change_is_drawn_to_0_where_counts_differ_by_chance():
    found = METHOD.score(TRACE, evidence(*[NOISY, drawn(*"aababaab")] * 2, NOISY))
    assert found.score.max() < 0.06  # the shares differ by .125


def test_a_boundary_without_rollouts_is_undefined_on_both_sides():
    found = METHOD.score(TRACE, evidence(NOISY, SURE, drawn(), SURE, SURE))
    assert np.isnan(found.score).tolist() == [False, True, True, False]
    assert np.isnan(found.diagnostics["change"]).tolist() == [False, True, True, False]


def test_a_rollout_that_serves_several_boundaries_counts_where_it_was_drawn():
    again = replace(NOISY, passing=frozenset(range(len(NOISY))))
    once = METHOD.score(TRACE, evidence(NOISY, again, again, SURE, SURE))
    fresh = METHOD.score(TRACE, evidence(NOISY, drawn(), drawn(), SURE, SURE))
    assert np.isfinite(once.score).all()
    assert once.score[3] == pytest.approx(fresh.score[3])
    assert once.diagnostics["change"][3] == pytest.approx(fresh.diagnostics["change"][3])


def test_it_wants_the_rollouts_of_resampling():
    assert METHOD.wants(TRACE, evidence()) == [Draw(k, 8, "end", "resample") for k in range(5)]


def test_there_are_no_halves():
    found = score(METHOD, TRACE, evidence(NOISY, NOISY, SURE, SURE, SURE), splits=3).frame
    assert found["half_a"].list.len().to_list() == [0] * 4
    assert found["score"].is_finite().all()
