"""Bisection of a trace's tokens, on probabilities that are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import Rollouts
from harness.statistics.bisection import Place, Share, jumps, known, place, visited

N = 10_000


def searched(p, threshold=0.2):
    """The positions that are visited where P is known well, asked round by round."""
    shares = {}
    while True:
        every = {*visited(0, len(p) - 1, shares, threshold, 0.95)}
        if every <= shares.keys():
            return {k: shares[k] for k in every}
        shares |= {k: Share(round(p[k] * N), N) for k in every}


def test_a_single_jump_is_found_in_as_many_halvings_as_it_takes():
    p = [0.3] * 37 + [0.9] * 28  # 64 tokens, token 36 jumps
    found = searched(p)
    assert {t for t, jump in jumps(found).items() if abs(jump) >= 0.2} == {36}
    assert jumps(found)[36] == pytest.approx(0.6)
    assert len(found) == 13  # both ends and the middle, then two middles in each of five rounds


def test_a_jump_that_is_mended_is_found_where_the_middle_lies_inside():
    p = [0.8] * 20 + [0.1] * 25 + [0.8] * 20  # equal ends
    found = {t for t, jump in jumps(searched(p)).items() if abs(jump) >= 0.2}
    assert found == {19, 44}


def test_where_nothing_moves_three_positions_are_enough():
    assert {*searched([0.5] * 65)} == {0, 32, 64}


def test_small_steps_are_no_jump():
    p = np.linspace(0.1, 0.9, 65)
    assert max(map(abs, jumps(searched(p.tolist())).values()), default=0) < 0.2


@given(st.integers(1, 60), st.integers(1, 40), st.floats(0.25, 0.9))
def test_any_lasting_jump_is_found_wherever_it_lies(before, after, size):
    p = [0.05] * before + [0.05 + size] * after
    large = {t for t, jump in jumps(searched(p)).items() if abs(jump) >= 0.2}
    assert large == {before - 1}


def test_a_place_is_a_boundary_and_what_is_kept_behind_it():
    stops = (2, 5, 5, 9)  # the second sentence has no token
    assert [place(stops, p) for p in (2, 4, 5, 7, 9)] == [
        Place(0, 0), Place(0, 2), Place(2, 0), Place(2, 2), Place(3, 0),
    ]  # fmt: skip
    assert [place(stops, p).arm for p in (2, 4)] == ["resample", "pivotal_2"]


def test_what_is_known_comes_from_the_arms_of_both_kinds():
    def rollouts(right, n):
        return Rollouts(np.arange(n), ("",) * n, np.arange(n) < right, ("",) * n)

    drawn = {("resample", 1): rollouts(1, 4), ("pivotal_2", 1): rollouts(3, 4)}
    drawn |= {("pivotal_x", 1): rollouts(1, 1), ("mistake", 0): rollouts(1, 1)}
    drawn[("resample", 0)] = rollouts(0, 0)
    assert known((0, 3, 9), drawn) == {3: Share(1, 4), 5: Share(3, 4)}


def test_wilson():
    low, high = Share(8, 10).interval(0.95)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))
