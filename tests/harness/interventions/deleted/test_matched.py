from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.core import Sentence
from harness.interventions.deleted.matched import draws, matched, near
from tests.harness.interventions.made import trace

TRACE = trace("p", [None] * 6)


def long(lengths: list[int]):
    ends = np.cumsum([0, *lengths]).tolist()
    cut = tuple(Sentence("", a, b, None) for a, b in pairwise(ends))
    return replace(TRACE, sentences=cut)


def test_the_nearest_are_those_beside_or_as_long():
    assert near(TRACE, [0, 1, 2, 5])[0] == (1, 2, 5)
    assert near(TRACE, [0, 1, 2, 5])[5] == (2, 1, 0)
    one = long([2, 40, 40, 2, 40, 2])
    assert near(one, range(6))[0][0] == 3  # as long, though further away
    assert near(TRACE, []) == {}


@given(st.data())
def test_as_many_others_each_once_and_all_if_all_are_chosen(data: st.DataObject):
    n = data.draw(st.integers(1, 9))
    chosen = tuple(sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1))))
    others = near(trace("p", [None] * n), range(n))
    found = matched(chosen, [others[i] for i in chosen], 4, data.draw(st.integers(0, 99)))
    assert len(set(found)) == len(found) == len(chosen)
    assert set(found) <= set(range(n))
    if len(chosen) == 1 < n:
        assert found != chosen


def test_whoever_chose_the_same_gets_the_same():
    others = near(TRACE, range(6))
    mine = draws("t", (0, 3), (others[0], others[3]), 3, 20, 0)
    assert mine == draws("t", (0, 3), (others[0], others[3]), 3, 20, 0)
    assert len(set(mine)) > 3
    nearest = {i for i, rest in others.items() if i in others[0][:4] or i in others[3][:4]}
    assert {i for each in mine for i in each} <= nearest
