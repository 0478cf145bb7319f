"""`semantic_entropy`: clusters and entropies by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import Draw, Embed, Evidence, Problem, Rollouts, Sentence, Trace
from methods.semantic_entropy import SemanticEntropy, miller_madow

OWN = SemanticEntropy(0.8, "e")
SENTENCES = (Sentence("a", 0, 2, None), Sentence("b", 2, 4, None))
PROBLEM = Problem("p", "q", "a", None, "s", "evaluate")
TRACE = Trace("t", PROBLEM, "m", "r", 0, (1,), (1, 2, 3, 4), "", SENTENCES, "", True, "", "")
ANGLES = {"east": 0, "also east": 10, "north": 90, "near north": 80, "west": 180}
VECTORS = {
    ("e", text): np.array([np.cos(np.radians(a)), np.sin(np.radians(a))], np.float32)
    for text, a in ANGLES.items()
}


def drawn(*texts: str) -> Rollouts:
    n = len(texts)
    return Rollouts(np.arange(n), ("",) * n, np.zeros(n, bool), texts)


def evidence(*boundaries: Rollouts) -> Evidence:
    found = {("sentence", k): rollouts for k, rollouts in enumerate(boundaries)}
    return Evidence(4, "", (), rollouts=found, embeddings=VECTORS)


def test_meanings_are_counted_and_the_entropy_corrected():
    have = evidence(drawn("east", "also east", "north", ""), drawn("west", "west", " west "))
    found = OWN.score(TRACE, have)
    # Two of four, one, one: 1.5 log 2 + 2 / 8.
    assert found.score == pytest.approx([1.5 * np.log(2) + 0.25, 0])
    assert found.diagnostics["meanings"].tolist() == [3, 1]
    assert found.diagnostics["draws"].tolist() == [4, 3]


def test_linkage_is_by_the_mean():
    # From 40 degrees to 10 and 0: cosines .87 and .77, on average .82.
    vectors = np.array([[np.cos(a), np.sin(a)] for a in np.radians([0, 10, 40])])
    assert len(set(OWN.clusters(vectors))) == 1
    assert len(set(SemanticEntropy(0.83, "e").clusters(vectors))) == 2


def test_nothing_drawn_is_undefined_and_silence_a_meaning():
    found = OWN.score(TRACE, evidence(drawn(), drawn("", "")))
    assert np.isnan(found.score[0])
    assert np.isnan(found.diagnostics["meanings"][0])
    assert found.score[1] == 0


def test_it_wants_sentences_then_their_embeddings():
    first = OWN.wants(TRACE, Evidence(4, "", ()))
    assert first == [Draw(k, 4, "sentence", "sentence") for k in (0, 1)]
    have = evidence(drawn("east", ""), drawn("north "))
    assert OWN.wants(TRACE, have) == [*first, Embed(("east", "north"), "e")]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_entropy_of_counts(counts: list[int]):
    n, k = sum(counts), len(counts)
    value = miller_madow(np.array(counts))
    plain = -sum(c / n * np.log(c / n) for c in counts)
    assert value == pytest.approx(plain + (k - 1) / (2 * n), abs=1e-12)
    assert miller_madow(np.array(counts[::-1])) == pytest.approx(value)


def test_equal_counts_have_the_most_entropy():
    assert miller_madow(np.array([5, 5])) == pytest.approx(np.log(2) + 0.05)
    assert miller_madow(np.array([5, 5])) > miller_madow(np.array([8, 2]))
    assert np.isnan(miller_madow(np.zeros(0, np.int64)))
