"""Forced-answer importance on evidence made by hand."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from harness import NO_ANSWER, Draw, Evidence, Problem, Rollouts, Sentence, Trace
from harness.core import Detector, Wants
from harness.core.config import target
from methods.forced_answer import ForcedAnswer

CONF = Path(__file__).parents[2] / "conf" / "method" / "forced_answer.yaml"
PROBLEM = Problem("p/0", "What is 6 times 7?", "42", None, "test", "evaluate")
FORCE = "</think> \\boxed{"


def detector(**options):
    return replace(target(OmegaConf.load(CONF)["forced_answer"], "forced_answer"), **options)


def trace(n):
    sentences = tuple(Sentence("Same. ", i, i + 1, None) for i in range(n))
    ids = tuple(range(n))
    return Trace("t/0", PROBLEM, "m", "r", 0, (1,), ids, "", sentences, "42", True, "model", "stop")


def forced(*answers):
    correct = np.array([a == "42" for a in answers], bool)
    return Rollouts(np.arange(len(answers)), answers, correct, ("",) * len(answers))


def evidence(*boundaries, draws=4):
    return Evidence(draws, FORCE, (), {("forced", k): r for k, r in enumerate(boundaries)})


SWEEP = evidence(
    forced("1", "2", NO_ANSWER, "42"),
    forced("1", "1", "42", "42"),
    forced("42", "42", "42", "42"),
)


def test_distance_between_consecutive_boundaries():
    found = detector(subtract_floor=False).score(trace(2), SWEEP)
    np.testing.assert_allclose(found.score, [0.5, 0.5])
    np.testing.assert_allclose(found.diagnostics["headroom"], [math.log(4), math.log(2)])
    assert found.diagnostics["n_without"].tolist() == found.diagnostics["n_with"].tolist() == [4, 4]


def test_accuracy_is_positive_where_the_sentence_helps():
    made = detector(distance="accuracy", subtract_floor=False)
    np.testing.assert_allclose(made.score(trace(2), SWEEP).score, [0.25, 0.5])
    assert made.signed
    assert not detector().signed


def test_kl_by_hand():
    found = detector(distance="kl", subtract_floor=False).score(trace(2), SWEEP)
    assert found.score[1] == pytest.approx(
        0.5 * math.log(2.5 / 0.5) + 0.5 * math.log(2.5 / 4.5)  # one pseudo-count over two answers
    )


def test_the_floor_is_subtracted():
    found = detector().score(trace(2), SWEEP)
    told = found.diagnostics
    np.testing.assert_allclose(found.score, told["raw"] - told["floor_mean"])
    assert (told["floor_mean"] > 0).all()


def test_a_missing_boundary_leaves_both_neighbours_undefined():
    lost = replace(SWEEP, rollouts={k: r for k, r in SWEEP.rollouts.items() if k[1] != 0})
    np.testing.assert_array_equal(np.isnan(detector().score(trace(2), lost).score), [True, False])


def test_rollouts_of_another_arm_are_not_taken():
    other = replace(SWEEP, rollouts={("resample", k): r for (_, k), r in SWEEP.rollouts.items()})
    assert np.isnan(detector().score(trace(2), other).score).all()


def test_a_half_is_scored_on_its_own_draws():
    keep = {k: r.draw >= 2 for k, r in SWEEP.rollouts.items()}
    found = detector(subtract_floor=False).score(trace(2), SWEEP.subset(keep))
    np.testing.assert_allclose(found.score, [0.5, 0.0])  # <none> 42 | 42 42 | 42 42


def test_it_wants_an_answer_forced_at_every_boundary():
    made = detector()
    assert isinstance(made, ForcedAnswer)
    assert isinstance(made, Detector)
    assert isinstance(made, Wants)
    assert made.family == "interpretability"
    wanted = [Draw(k, 4, "answer", "forced", FORCE) for k in range(3)]
    assert made.wants(trace(2), evidence()) == made.wants(trace(2), SWEEP) == wanted
