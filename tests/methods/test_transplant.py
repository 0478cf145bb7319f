"""`transplant`: by hand, and beside the sum over all sentences that it estimates."""

from dataclasses import replace

import numpy as np
import pytest

from harness import (
    PLAIN,
    Condition,
    Depart,
    Departure,
    Departures,
    Draw,
    Evidence,
    Problem,
    Read,
    Reading,
    ReadRollouts,
    Rollouts,
    Sentence,
    Trace,
    UserError,
)
from harness.evidence.example import REFERENCES, wanted
from harness.evidence.wants import checkpoints
from harness.statistics.importance import choices
from methods.transplant import BEHIND, FIRST, Transplant

PROBLEM = Problem("p", "q", "a", None, "s", "evaluate")
TRACE = Trace(
    "t", PROBLEM, "m", "r", 0, (1,), (1, 2, 3), "",
    (Sentence("", 0, 2, None), Sentence("", 2, 3, None)), "a", True, "", "",
)  # fmt: skip
OTHER = Condition("rl")
OWN = Transplant("boundary", "rl", "", 0.2, "end", "plain")
LOG2 = float(np.log(2))


def drawn(correct: list[int], own: list[float], other: list[float]) -> Rollouts:
    """Rollouts with the probabilities of their first sentences."""
    n = len(correct)
    with np.errstate(divide="ignore"):
        sampled = {PLAIN: np.log(own), OTHER: np.log(other)}
    answers = tuple("a" if right else "b" for right in correct)
    return Rollouts(np.arange(n), answers, np.array(correct, bool), ("x",) * n, sampled=sampled)


def evidence(*sweep: Rollouts) -> Evidence:
    readings = {
        PLAIN: Reading(sampled=np.array([-LOG2, 0, -LOG2])),
        OTHER: Reading(sampled=np.array([0, 0, -2 * LOG2])),
    }
    rollouts = {("resample", k): r for k, r in enumerate(sweep)}
    return Evidence(4, "", (), rollouts=rollouts, readings=readings)


SWEEP = (
    drawn([1, 1, 0, 0], [0.5] * 4, [0.75, 0.75, 0.25, 0.25]),
    drawn([1, 1, 1, 0], [0.5] * 4, [0.5] * 4),
    drawn([1, 1, 1, 1], [0.5] * 4, [0.5] * 4),
)


def test_a_boundary_by_hand():
    # w = 1.5, 1.5, .5, .5; correct - mean = ±.5: (.25 + .25 + .25 + .25) / 4 = .25: RL is right .75
    # of the time where base is half of it.
    found = OWN.score(TRACE, evidence(*SWEEP))
    assert found.score.tolist() == pytest.approx([0.25, 0])
    assert found.diagnostics["mean_weight"].tolist() == pytest.approx([1, 1])
    assert found.diagnostics["effective_share"].tolist() == pytest.approx([1 / 1.25, 1])


def test_a_sentence_by_hand():
    # Base writes the first sentence with .5, RL with 1; keeping it raises P(correct) by a quarter.
    # The second: .5 and .25; keeping it raises it by another quarter.
    found = replace(OWN, mode="sentence").score(TRACE, evidence(*SWEEP))
    assert found.score.tolist() == pytest.approx([0.5 * 0.25, -0.25 * 0.25])
    assert found.diagnostics["p_base"].tolist() == pytest.approx([0.5, 0.5])
    assert found.diagnostics["p_rl"].tolist() == pytest.approx([1, 0.25])


def test_the_sign_says_what_rls_choice_is_worth_whoever_wrote_the_trace():
    turned = replace(OWN, rl="", base="rl")  # the second checkpoint is base now
    for mode in ("boundary", "sentence"):
        there = replace(OWN, mode=mode).score(TRACE, evidence(*SWEEP)).score
        here = replace(turned, mode=mode).score(TRACE, evidence(*SWEEP)).score
        assert here.tolist() == pytest.approx((-there).tolist())


def test_weights_that_rest_on_a_few_draws_are_undefined_and_never_0():
    heavy = drawn([1, 0, 0, 0], [0.25] * 4, [1, 1e-9, 1e-9, 1e-9])
    strict = replace(OWN, min_ess=0.3)
    found = strict.score(TRACE, evidence(heavy, *SWEEP[1:]))
    assert np.isnan(found.score[0])
    assert found.diagnostics["effective_share"][0] == pytest.approx(0.25, abs=1e-6)
    alone = strict.score(TRACE, evidence(heavy, heavy, SWEEP[2]))
    assert np.isnan(alone.score).all()
    assert alone.reason == "the weights of all sentences fail (min_ess)"


def test_what_the_other_never_writes_has_no_weight_and_the_own_misses_nothing():
    never = drawn([1, 1, 0, 0], [0.5] * 4, [1.0, 1.0, 0, 0])
    assert OWN.score(TRACE, evidence(never, *SWEEP[1:])).score[0] == pytest.approx(0.5)
    lost = drawn(
        [1, 1, 0, 0], [0.0, 0.5, 0.5, 0.5], [0.5] * 4
    )  # read again outside its own nucleus
    found = OWN.score(TRACE, evidence(lost, *SWEEP[1:]))
    assert found.diagnostics["mean_weight"][0] == pytest.approx(1)


def test_it_draws_nothing_of_its_own_but_where_weights_fail():
    start = evidence()
    first = OWN.wants(TRACE, replace(start, rollouts={}))
    assert {w.arm for w in first if isinstance(w, Draw)} == {"resample"}
    heavy = drawn([1, 0, 0, 0], [0.25] * 4, [1, 1e-9, 1e-9, 1e-9])
    have = evidence(heavy, *SWEEP[1:])
    strict = replace(OWN, mode="drawn", min_ess=0.3)
    wants = strict.wants(TRACE, have)
    kinds = {type(w) for w in wants}
    assert kinds == {Draw, Read, ReadRollouts}
    own = [w for w in wants if isinstance(w, Draw) and w.arm != "resample"]
    assert [(w.arm, w.boundary, w.of) for w in own] == [(FIRST, 0, ""), (BEHIND, 0, FIRST)]
    more = {(BEHIND, 0): drawn([1, 1, 1, 0], [1] * 4, [1] * 4)}
    found = strict.score(TRACE, replace(have, rollouts={**have.rollouts, **more}))
    assert found.score.tolist() == pytest.approx([0.75 - 0.25, 0])


def test_reweighting_has_the_mean_of_the_exact_difference():
    """Over many draws of four sentences it tends to the sum over them that it stands for."""
    rng = np.random.default_rng(0)
    own, other = rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(4))
    right = np.array([0.9, 0.2, 0.6, 0.1])
    picks = rng.choice(4, 200_000, p=own)
    correct = rng.random(len(picks)) < right[picks]
    each = np.full(len(picks), 1 / len(picks))
    found = choices(each, (other / own)[picks], correct.astype(float)).gain
    assert found == pytest.approx(float((other - own) @ right), abs=0.01)


@pytest.mark.parametrize("pair", [("", ""), ("rl", "base")])
def test_one_of_the_two_wrote_the_trace(pair: tuple[str, str]):
    with pytest.raises(UserError, match="one of rl and base must be"):
        Transplant("sentence", *pair, 0.2, "end", "plain")


ARMS = ("leave", "leave_second")


def left(seconds: tuple[str, ...] = ()) -> Evidence:
    """Both sentences are written as they stand half of the time; RL writes the first always."""
    wants = {Depart(arm, 4): Departures(np.array([-LOG2, -LOG2]), ((), (), ())) for arm in ARMS}
    sweep = (
        drawn([1, 0], [0.25] * 2, [0, 0]),
        drawn([1, 0], [0.25] * 2, [0.375] * 2),
        drawn([1, 1], [1] * 2, [1] * 2),
    )
    rollouts = {(arm, k): r for arm in ("leave", *seconds) for k, r in enumerate(sweep)}
    return replace(evidence(), rollouts=rollouts, answers=wants, pilot=len(seconds))


@pytest.mark.parametrize("seconds", [(), ARMS[1:]])
def test_the_sentence_itself_counts_by_its_probability(seconds: tuple[str, ...]):
    # Right behind the second sentence: 1, before it .5 · 1 + .5 · .5, RL .25 · 1 + .75 · .5. Before
    # the first .5 · .75 + .5 · .5, and RL, which writes nothing else, .75.
    exact = replace(OWN, estimator="exact")
    found = exact.score(TRACE, left(seconds))
    assert found.score.tolist() == pytest.approx([0.75 - 0.625, 0.625 - 0.75])
    assert found.diagnostics["mean_weight"].tolist() == pytest.approx([1, 1])
    assert found.diagnostics["effective_share"].tolist() == pytest.approx([1 / 2, 1 / 1.25])
    sentence = replace(exact, mode="sentence").score(TRACE, left(seconds)).score
    assert sentence.tolist() == pytest.approx([0.5 * 0.125, -0.25 * 0.25])


def test_the_other_checkpoint_is_foreseen():
    exact = replace(OWN, estimator="exact", rl="other")
    assert "other" in checkpoints(wanted(exact, Evidence(4, "", REFERENCES)))


def test_a_weight_past_all_numbers_is_none():
    # Of the sentence itself p_own is 1e-320, so that p_other / p_own overflows; and of a draw.
    have = left()
    never = Reading(sampled=np.array([-737.0, 0, -LOG2]))
    far = drawn([1, 0], [1e-320, 0.25], [1.0, 0.25])
    rollouts = {**have.rollouts, ("leave", 0): far}
    known = {Depart("leave", 4): Departures(np.array([-737.0, -LOG2]), ((), (), ()))}
    given = replace(
        have, readings={**have.readings, PLAIN: never}, rollouts=rollouts, answers=known
    )
    found = replace(OWN, estimator="exact").score(TRACE, given)
    assert found.diagnostics["mean_weight"][0] == pytest.approx(1)


def test_one_half_without_draws_leaves_the_other_and_none_nothing():
    exact, have = replace(OWN, estimator="exact"), left(ARMS[1:])
    fewer = {key: r for key, r in have.rollouts.items() if key != ("leave_second", 0)}
    again = exact.score(TRACE, replace(have, rollouts=fewer))
    assert again.score.tolist() == pytest.approx([0.125, -0.125])
    del fewer["leave", 0]
    assert np.isnan(exact.score(TRACE, replace(have, rollouts=fewer)).score).tolist() == [1, 0]


def test_what_is_allotted_is_read_once_all_is_there():
    exact, have = replace(OWN, estimator="exact"), replace(left(), rollouts={})
    way = (Departure(0, 7),) * 4
    known = {Depart("leave", 4): Departures(np.array([-LOG2, -LOG2]), (way, way, ()))}
    assert exact.wants(TRACE, replace(have, answers={})) == [Depart("leave", 4)]
    asked = exact.wants(TRACE, replace(have, answers=known))
    assert [(w.arm, w.n) for w in asked if isinstance(w, Draw)] == [("leave", 4)] * 3
    four = drawn([1] * 4, [0.5] * 4, [0.5] * 4)
    some = {("leave", k): four for k in range(2)} | {("leave", 2): left().rollouts["leave", 2]}
    both = exact.wants(TRACE, replace(have, answers=known, rollouts=some))
    assert [w.boundary for w in both if isinstance(w, ReadRollouts)] == [0, 0, 1, 1]
    two = {**some, ("leave", 0): left().rollouts["leave", 0]}
    few = exact.wants(TRACE, replace(have, answers=known, rollouts=two))
    assert not any(isinstance(w, ReadRollouts) for w in few)
