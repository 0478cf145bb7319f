"""`attricot` and `dependency` on sentences left out by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from harness import PLAIN, Evidence, Problem, Reading, Sentence, Suppress, Trace
from harness.core.config import target
from methods.attricot import coefficients
from methods.dependency import linked

CONF = Path(__file__).parents[2] / "conf" / "method"
PROBLEM = Problem("p/0", "What is 6 times 7?", "42", None, "test", "evaluate")
NAN = np.nan
EFFECT = np.zeros((4, 4))  # on a row, of a column
EFFECT[1, 0], EFFECT[3, :3] = 0.5, [2.0, -1.0, 0.25]
ANSWER = np.array([0.0, 0.0, 0.0, 3.0])


def detector(name, **options):
    return replace(target(OmegaConf.load(CONF / f"{name}.yaml")[name], name), **options)


def trace(n=4):
    sentences = tuple(Sentence("Same. ", 2 * i, 2 * i + 2, None) for i in range(n))
    ids = tuple(range(2 * n + 2))
    return Trace("t", PROBLEM, "m", "r", 0, (1,), ids, "", sentences, "42", True, "m", "stop")


def evidence(made, given):
    """Log p linear in which sentences are there, so that least squares must find the effects."""
    readings = {}
    for want in made.wants(given, Evidence(4, "", ())):
        there = np.ones(4)
        there[[edit.start for edit in want.condition.edits]] = 0
        each = np.where(there > 0, -5 + EFFECT @ there, NAN)
        values = np.concatenate([np.repeat(each, 2) + [0.5, -0.5] * 4, [-1 + ANSWER @ there] * 2])
        readings[want.condition] = Reading(logprob=values.astype(np.float32))
    return Evidence(4, "", (), readings=readings)


@pytest.mark.parametrize(("joint", "passes"), [(0.0, 5), (3.0, 17)])
def test_effects_are_found_again_from_single_and_joint_deletions(joint, passes):
    made, given = detector("attricot", joint=joint), trace()
    have = evidence(made, given)
    assert PLAIN in have.readings
    assert len(have.readings) <= passes
    found = made.score(given, have)
    expected = np.where(np.tri(4, k=-1) > 0, EFFECT, NAN)
    np.testing.assert_allclose(found.matrix, expected, atol=1e-5)
    np.testing.assert_allclose(found.score, [2.5 / 3, -0.5, 0.25, NAN], atol=1e-5)
    np.testing.assert_allclose(found.diagnostics["answer"], ANSWER, atol=1e-5)
    np.testing.assert_array_equal(found.diagnostics["targets"], [3, 2, 1, 0])


def test_a_sentence_left_out_alone_counts_as_what_is_lost():
    present = np.array([[1, 1, 1], [0, 1, 1], [1, 0, 1], [1, 1, 0]], bool)
    each = np.random.default_rng(0).normal(size=(4, 3))
    found = coefficients(present, np.where(present, each, NAN), np.ones(3, bool))
    # Without the last sentence the prefix of the others is as it was: two passes say the same.
    each[3, 1] = each[0, 1]
    again = coefficients(present, np.where(present, each, NAN), np.ones(3, bool))
    np.testing.assert_allclose(again[1, 0], each[0, 1] - each[1, 1])
    np.testing.assert_allclose(found[2, :2], each[0, 2] - each[[1, 2], 2])


def test_a_sentence_without_tokens_has_no_effect():
    made, given = detector("attricot"), trace()
    hollow = replace(given, sentences=(*given.sentences[:1], Sentence("", 2, 2, None)))
    assert len(made.wants(hollow, Evidence(4, "", ()))) == 2
    readings = {
        c.condition: Reading(logprob=np.zeros(10, np.float32))
        for c in made.wants(hollow, Evidence(4, "", ()))
    }
    assert np.isnan(made.score(hollow, Evidence(4, "", (), readings=readings)).score).all()


def test_each_sentence_links_to_those_that_act_on_it_most():
    acting = np.array([[NAN] * 4, [1, NAN, NAN, NAN], [2, 2, NAN, NAN], [5, 7, 6, NAN]])
    one, two = linked(acting, 1), linked(acting, 2)
    np.testing.assert_array_equal(np.nansum(one, 0), [1, 2, 0, 0])  # of two alike the later
    np.testing.assert_array_equal(np.nansum(two, 0), [2, 2, 1, 0])
    assert np.isnan(one[0]).all()
    assert np.nansum(two[3]) == 2


def test_degrees_by_masks_and_by_deletions():
    given, made = trace(), detector("dependency_deletion")
    found = made.score(given, evidence(made, given))
    np.testing.assert_array_equal(found.score, [2, 1, 0, NAN])  # 2 rests on none: the later one
    np.testing.assert_allclose(found.diagnostics["share"], [2 / 3, 1 / 2, 0, NAN])
    kl = np.full((10, 4), NAN)
    kl[3:, 0], kl[5:, 1], kl[7:, 2] = 0.1, 0.2, 0.4
    made = detector("dependency")
    have = Evidence(4, "", (), answers={Suppress(False, 1.0): kl.astype(np.float32)})
    np.testing.assert_array_equal(made.score(given, have).score, [1, 1, 1, NAN])


def test_one_sentence_rests_on_nothing():
    for name in ("attricot", "dependency", "dependency_deletion"):
        made, given = detector(name), trace(1)
        wants = made.wants(given, Evidence(4, "", ()))
        readings = {w.condition: Reading(logprob=np.zeros(4, np.float32)) for w in wants}
        found = made.score(given, Evidence(4, "", (), readings=readings))
        assert np.isnan(found.score).all()
        assert found.reason == "fewer than two sentences"
