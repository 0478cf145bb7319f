"""Tokens under edits: hand-computed places, and what holds of any edits."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import Condition, Edit, UserError
from harness.models.edits import NOWHERE, edited

IDS, STOPS = tuple(range(10, 20)), (1, 4, 4, 6, 9)  # sentences of 3, 0, 2 and 3 tokens


def encode(text: str) -> list[int]:
    """A token a character, none of them the trace's."""
    return [100 + ord(c) for c in text]


def test_nothing_is_edited():
    found = edited(IDS, STOPS, (), encode)
    assert found.token_ids == IDS
    assert found.place == tuple(range(10))
    assert (found.stops, found.first) == (STOPS, 10)


def test_a_sentence_deleted():
    found = edited(IDS, STOPS, [Edit(2, 3)], encode)
    assert found.token_ids == (10, 11, 12, 13, 16, 17, 18, 19)
    assert found.place == (0, 1, 2, 3, NOWHERE, NOWHERE, 4, 5, 6, 7)
    assert (found.stops, found.first) == ((1, 4, 4, 4, 7), 4)


def test_sentences_replaced_have_no_boundary_between_them():
    found = edited(IDS, STOPS, [Edit(0, 3, "a")], encode)
    assert found.token_ids == (10, 197, 16, 17, 18, 19)
    assert found.place == (0, *[NOWHERE] * 5, 2, 3, 4, 5)
    assert (found.stops, found.first) == ((1, NOWHERE, NOWHERE, 2, 5), 1)


def test_the_boundary_of_an_insertion_lies_behind_it():
    found = edited(IDS, STOPS, [Edit(3, 3, "ab"), Edit(4, 4, "c")], encode)
    assert found.token_ids == (*IDS[:6], 197, 198, *IDS[6:9], 199, 19)
    assert found.place == (*range(6), 8, 9, 10, 12)
    assert (found.stops, found.first) == ((1, 4, 4, 8, 12), 6)


def test_an_edit_beyond_the_trace_is_refused():
    with pytest.raises(UserError, match=r"edit: sentences \[3, 5\) lie beyond the trace, which"):
        edited(IDS, STOPS, [Edit(3, 5)], encode)


@pytest.mark.parametrize(("a", "b"), [(Edit(0, 2), Edit(1, 3)), (Edit(1, 1), Edit(1, 1, "x"))])
def test_edits_that_overlap_are_refused(a, b):
    with pytest.raises(UserError, match=r"of one condition overlap"):
        Condition(edits=(b, a))


@st.composite
def cases(draw: st.DrawFn):
    """A trace in sentences, and edits that do not overlap."""
    lengths = draw(st.lists(st.integers(0, 4), min_size=1, max_size=6))
    lead, tail = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    stops = [lead + sum(lengths[:n]) for n in range(len(lengths) + 1)]
    marks = sorted(draw(st.sets(st.integers(0, len(lengths)), max_size=6)))
    texts = st.sampled_from(["", "a", "bc"])
    edits = [Edit(a, b, draw(texts)) for a, b in list(pairwise(marks))[:: draw(st.integers(1, 2))]]
    edits += [Edit(m, m, draw(texts)) for m in marks[:1]] if draw(st.booleans()) else []
    return tuple(range(stops[-1] + tail)), stops, Condition(edits=tuple(edits)).edits


@settings(deadline=None)
@given(cases())
def test_any_edits(case):
    ids, stops, edits = case
    found = edited(ids, stops, edits, encode)
    new = found.token_ids
    slow = list(ids)
    for edit in reversed(edits):
        slow[stops[edit.start] : stops[edit.stop]] = encode(edit.text)
    assert new == tuple(slow)
    assert new[: found.first] == ids[: found.first]
    assert found.first == min(len(ids), len(new)) or new[found.first] != ids[found.first]
    gone = {t for e in edits for t in range(stops[e.start], stops[e.stop])}
    assert {t for t, place in enumerate(found.place) if place == NOWHERE} == gone
    there = [place for place in found.place if place != NOWHERE]
    assert there == sorted(set(there))
    assert all(new[place] == ids[t] for t, place in enumerate(found.place) if place != NOWHERE)
    inside = {k for e in edits for k in range(e.start + 1, e.stop)}
    assert {k for k, stop in enumerate(found.stops) if stop == NOWHERE} == inside
    # Behind a boundary stands what stood behind it, unless that gives way to something.
    for k, stop in enumerate(found.stops):
        before = any(e.start >= k and stops[e.start] == stops[k] and e.stop > k for e in edits)
        if not before and stop != NOWHERE and stops[k] < len(ids) and stops[k] not in gone:
            assert found.place[stops[k]] == stop
    ends = [stop for stop in found.stops if stop != NOWHERE]
    assert ends == sorted(ends)
