"""`mi_rollouts`: the estimator beside its textbook form, scores by hand, chance levels."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import PLAIN, Draw, Evidence, Problem, ReadRollouts, Rollouts, Sentence, Trace
from methods.mi_rollouts import RolloutMI, dependence, squared_distances

OWN = RolloutMI(-1, 1.0, 99, 4, "end")
PROBLEM = Problem("p", "q", "a", None, "s", "evaluate")
SENTENCES = (Sentence("a", 0, 2, None), Sentence("b", 2, 4, None))
TRACE = Trace("t", PROBLEM, "m", "r", 0, (1,), (1, 2, 3, 4), "", SENTENCES, "", True, "", "")


def textbook(kernel: np.ndarray, answers: list[int]) -> float:
    """Equation 5 of Song et al. (2012), written out."""
    n, one = len(kernel), np.ones(len(kernel))
    k = kernel - np.diag(np.diag(kernel))
    same = np.equal.outer(answers, answers) - np.eye(n)
    middle = (one @ k @ one) * (one @ same @ one) / ((n - 1) * (n - 2))
    found = np.trace(k @ same) + middle - 2 * (one @ k @ same @ one) / (n - 2)
    return found / (n * (n - 3))


def classes(answers: list[int]) -> np.ndarray:
    return np.eye(max(answers) + 1)[answers]


def drawn(answers: list[str], states: np.ndarray) -> Rollouts:
    n = len(answers)
    said = {(-1, PLAIN): states.astype(np.float32)}
    return Rollouts(np.arange(n), tuple(answers), np.zeros(n, bool), ("",) * n, said)


def evidence(*boundaries: Rollouts) -> Evidence:
    return Evidence(8, "", (), rollouts={("resample", k): r for k, r in enumerate(boundaries)})


@given(st.lists(st.integers(0, 3), min_size=4, max_size=12), st.integers(0, 9))
def test_the_textbook_form(answers: list[int], seed: int):
    x = np.random.default_rng(seed).normal(size=(len(answers), 3))
    kernel = np.exp(-squared_distances(x))
    (found,) = dependence(kernel, classes(answers)[None])
    assert found == pytest.approx(textbook(kernel, answers), abs=1e-11)


def test_over_all_orders_the_mean_is_none():
    kernel = np.exp(-squared_distances(np.random.default_rng(0).normal(size=(6, 2))))
    orders = classes([0, 0, 0, 1, 1, 2])[np.array(list(permutations(range(6))))]
    assert dependence(kernel, orders).mean() == pytest.approx(0, abs=1e-11)
    assert dependence(kernel, orders).std() > 0.01


def test_two_far_groups_by_hand():
    # Kernel and answers are one block matrix of two pairs: 4 ones off the diagonal, so
    # (4 + 16 / 6 - 2 * 4 / 2) / 4.
    states = np.array([[0, 0], [0, 0], [50, 0], [50, 0]])
    sharp = replace(OWN, bandwidth=0.01)
    found = sharp.score(TRACE, evidence(*[drawn(["1", "1", "2", "2"], states)] * 2))
    assert found.score == pytest.approx([2 / 3, 2 / 3])
    assert found.diagnostics["headroom"] == pytest.approx([np.log(2)] * 2)
    # Of the 3 ways to pair four draws one is as good.
    many = replace(sharp, permutations=3000)
    p = many.score(TRACE, evidence(*[drawn(["1", "1", "2", "2"], states)] * 2)).diagnostics["p"]
    assert p == pytest.approx([1 / 3, 1 / 3], abs=0.04)


@pytest.mark.parametrize("which", ["answers", "states"])
def test_what_is_constant_depends_on_nothing(which: str):
    random = np.random.default_rng(1)
    answers = ["1"] * 9 if which == "answers" else [*"121223313"]
    states = random.normal(size=(9, 5)) if which == "answers" else np.full((9, 5), 0.3)
    found = OWN.score(TRACE, evidence(*[drawn(answers, states)] * 2))
    assert found.score.tolist() == [0, 0]
    assert found.diagnostics["p"].tolist() == [1, 1]


def test_the_width_is_that_of_the_whole_trace():
    near = np.arange(8.0)[:, None]
    far = 10 * near
    answers = [*"11112222"]
    both = OWN.score(TRACE, evidence(drawn(answers, near), drawn(answers, far)))
    alone = OWN.score(TRACE, evidence(drawn(answers, near), drawn(answers, near)))
    assert both.score[0] < alone.score[0]
    assert both.score[0] < both.score[1]


def test_p_is_uniform_without_dependence_and_small_with_it():
    random = np.random.default_rng(2)
    sentences = tuple(Sentence("", k, k + 1, None) for k in range(200))
    trace = replace(TRACE, sentences=sentences)
    answers = random.integers(0, 2, (200, 20))
    noise = random.normal(size=(200, 20, 3))
    named = [[str(a) for a in row] for row in answers]
    free = OWN.score(trace, evidence(*map(drawn, named, noise)))
    p = free.diagnostics["p"]
    assert abs(free.score.mean()) < 4 * free.score.std() / np.sqrt(200)
    assert [np.mean(p <= level) for level in (0.1, 0.5)] == pytest.approx([0.1, 0.5], abs=0.1)
    told = OWN.score(trace, evidence(*map(drawn, named, noise + 2 * answers[..., None])))
    assert np.mean(told.diagnostics["p"] <= 0.05) > 0.9


def test_who_says_nothing_is_left_out_and_few_are_undefined():
    states = np.random.default_rng(3).normal(size=(6, 4))
    answers = [*"112212"]
    whole = OWN.score(TRACE, evidence(drawn(answers, states), drawn([], np.zeros((0, 4)))))
    more = np.vstack([states, np.full((2, 4), np.nan)])
    silent = drawn([*answers, "1", "2"], more)
    found = OWN.score(TRACE, evidence(silent, drawn(["1"] * 3, states[:3])))
    assert found.score[0] == whole.score[0]
    assert np.isnan([found.score[1], whole.score[1]]).all()
    assert found.diagnostics["rollouts"].tolist() == [6, 3]


def test_huge_coordinates_that_all_states_share_do_not_matter():
    x = np.random.default_rng(4).normal(size=(6, 4))
    huge = np.hstack([x, np.full((6, 1), 3e4)]).astype(np.float32)
    plain = ((x[:, None] - x) ** 2).sum(-1)
    np.testing.assert_allclose(squared_distances(huge), plain, atol=1e-5)
    twice = squared_distances(np.vstack([huge, huge]))
    assert (np.diag(twice[:6, 6:]) == 0).all()


def test_it_wants_rollouts_then_their_states():
    draws = [Draw(k, 8, "end", "resample") for k in (0, 1)]
    assert OWN.wants(TRACE, Evidence(8, "", ())) == draws
    have = evidence(*[drawn(["1"] * 8, np.zeros((8, 2)))] * 2)
    assert OWN.wants(TRACE, have) == [*draws, *(ReadRollouts("resample", k, -1) for k in (0, 1))]
