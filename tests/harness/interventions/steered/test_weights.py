"""First sentences as another condition would draw them."""

import numpy as np
import pytest

from harness.core import PLAIN, Condition, Rollouts
from harness.interventions.steered.weights import weighted

OTHER = Condition("rl")


def rollouts(right: list[bool], texts: list[str], own: list[float], other: list[float]) -> Rollouts:
    n = len(right)
    return Rollouts(
        np.arange(n),
        ("1",) * n,
        np.array(right, bool),
        tuple(texts),
        sampled={PLAIN: np.log(own), OTHER: np.log(other)},
    )


DRAWN = rollouts(
    [True, False, True, False],
    ["Yes it is.", "No it is not.", "Yes it is.", "No it is not."],
    [0.5, 0.5, 0.5, 0.5],
    [0.75, 0.25, 0.75, 0.25],
)


def test_under_their_own_condition_draws_are_as_they_are():
    one = weighted(DRAWN, PLAIN, 1)
    assert one.correct == 0.5
    assert one.share == 1.0
    assert one.overlap(one) == pytest.approx(1.0)


def test_weights_move_what_is_right_by_hand():
    one = weighted(DRAWN, OTHER, 1)
    assert one.correct == pytest.approx(0.75)  # .5 + mean of ±.5 · ±.5
    assert one.share == pytest.approx(4**2 / 4 / (2 * 1.5**2 + 2 * 0.5**2))
    assert one.overlap(weighted(DRAWN, PLAIN, 1)) == pytest.approx(0.75)


def test_the_estimate_is_that_of_drawing_there():
    rng = np.random.default_rng(0)
    first = rng.random(200_000) < 0.5
    right = rng.random(200_000) < np.where(first, 0.9, 0.2)
    texts = ["a" if yes else "b" for yes in first]
    own, other = [0.5] * len(first), np.where(first, 0.8, 0.2).tolist()
    one = weighted(rollouts(right.tolist(), texts, own, other), OTHER, 1)
    assert one.correct == pytest.approx(0.8 * 0.9 + 0.2 * 0.2, abs=0.01)


def test_what_the_condition_never_writes_and_what_was_not_read_weigh_nothing():
    with np.errstate(divide="ignore"):
        one = weighted(rollouts([True, False], ["a", "b"], [0.5, 0.5], [1.0, 0.0]), OTHER, 1)
    assert one.weight.tolist() == [2.0, 0.0]
    unread = Rollouts(
        np.arange(1), ("1",), np.array([True]), ("a",),
        sampled={PLAIN: np.zeros(1), OTHER: np.array([np.nan])},
    )  # fmt: skip
    assert np.isnan(weighted(unread, OTHER, 1).share)
    assert np.isnan(weighted(DRAWN.take(np.zeros(4, bool)), OTHER, 1).correct)
