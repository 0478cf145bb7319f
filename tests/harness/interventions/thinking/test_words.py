"""Thinking words and their controls, on traces by hand."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core import Evidence, Problem, Sentence, SentenceScores, Trace, UserError
from harness.interventions.thinking.vocabulary import vocabulary
from harness.interventions.thinking.words import Choice, Seen, chosen, digest, matches, pieces, seen
from harness.interventions.validation.intervention import About

PEAKS = Choice(None, "mi", 1, 0)
PROBLEM = Problem("p", "q", "1", None, "s", "evaluate")


def spelled(text: str) -> tuple[int, ...]:
    """Every word is a token; what has a point has one more."""
    return (1, 2) if "." in text else (1,)


def trace(*words: str, cuts: tuple[int, ...]) -> Trace:
    """A trace whose sentences begin at some of its words."""
    starts = tuple(int(n) for n in np.cumsum([0, *map(len, words[:-1])]))
    ends = (*cuts[1:], len(words))
    sentences = tuple(Sentence("", a, b, None) for a, b in zip(cuts, ends, strict=True))
    ids = tuple(range(len(words)))
    return Trace(
        "t", PROBLEM, "m", "r", 0, (9,), ids, "".join(words), sentences, "1", True, "", "", starts
    )


TRACE = trace("So", " we", " add", ".", " Wait", " we", " stop", ".", cuts=(0, 4))


@dataclass(frozen=True)
class Marker:
    """Peaks at tokens 1, 4 and 5."""

    family = "information"
    signed = False

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        peak = np.isin(np.arange(len(trace.token_ids)), [1, 4, 5]).astype(np.float64)
        return SentenceScores(np.zeros(len(trace.sentences)), tokens={"peak": peak})


def test_pieces_are_what_the_tokens_say():
    assert [word for _, word in pieces(TRACE)] == [
        "So",
        " we",
        " add",
        ".",
        " Wait",
        " we",
        " stop",
        ".",
    ]


def test_counts_by_hand():
    found = seen([TRACE], [Evidence(1, "", ())], Marker(), spelled)
    assert found.count == {"So": 1, " we": 2, " add": 1, " Wait": 1, " stop": 1}
    assert +found.initial == {"So": 1, " Wait": 1}
    assert +found.peak == {" we": 2, " Wait": 1}


def test_the_words_most_often_at_peaks_come_first_with_a_control_each():
    found = seen([TRACE], [Evidence(1, "", ())], Marker(), spelled)
    words = chosen(PEAKS, found, ("x", "y", " we"), 2)
    assert words.thinking == (" we", " Wait")
    assert words.matched[1] == "So"  # as frequent, and begins a sentence as " Wait" does
    assert set(words.random) == {"x", "y"}
    assert words.lists(2) == {
        "thinking": words.thinking,
        "matched": words.matched,
        "random": words.random,
    }
    assert words.lists(3) == {}


def test_given_words_count_where_they_are_written():
    found = seen([TRACE], [Evidence(1, "", ())], None, spelled)
    assert chosen(Choice((" Wait", "Hmm"), "mi", 1, 0), found, (), 5).thinking == (" Wait",)
    with pytest.raises(UserError, match=r"none of words\.given stands in"):
        chosen(Choice(("Hmm",), "mi", 1, 0), found, (), 5)
    with pytest.raises(UserError, match="no word is at a peak of mi"):
        chosen(PEAKS, found, (), 5)


def test_without_peaks_it_is_said_what_to_add():
    about = About(None, 2, (), 2, {}, frozenset(), spelled)
    with pytest.raises(UserError, match=r"needs the peaks of method=\[mi\] in the run"):
        PEAKS.marker(about)
    assert Choice((" Wait",), "mi", 1, 0).marker(about) is None


@given(
    st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 50), min_size=2), st.integers(1, 4)
)
def test_no_match_is_used_twice_nor_is_a_thinking_word(counts: dict[str, int], nearest: int):
    names = sorted(counts)
    thinking = names[: len(names) // 2]
    found = Seen(Counter(counts), Counter(), Counter())
    matched = matches(thinking, found, nearest, np.random.default_rng(0))
    assert len(matched) == len(set(matched)) == min(len(thinking), len(names) - len(thinking))
    assert not set(matched) & set(thinking)


def test_the_vocabulary_holds_words_that_are_one_token_exactly():
    texts = ["a", "b.", "7", "a"]  # the last is spelled with the first token
    assert vocabulary(4, spelled_as(texts), lambda ids: texts[ids[0]]) == ("a",)


def spelled_as(texts: list[str]):
    return lambda text: (texts.index(text),) if "." not in text else (0, 0)


def test_a_digest_tells_lists_apart():
    assert digest(["a", "b"]) == digest(("a", "b")) != digest(["b", "a"])
    assert len(digest(["a"])) == 8
