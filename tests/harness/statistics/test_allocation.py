"""Allotted draws: by hand, unbiased in simulation, and wanted in rounds."""

import numpy as np
import pytest

from harness import Depart, Departure, Departures, Draw, Evidence, Rollouts
from harness.evidence.example import TRACE
from harness.statistics.allocation import arms, leaving, lengths, matters, worth
from harness.statistics.mixtures import averaged, mixture, sample


def test_how_much_the_variance_at_a_boundary_matters():
    """Two sentences, written again with .5 and .2: what leaves the second is .8 behind the first.

    P_0 - P_1 = .5 (Q_0 - .8 Q_1 - .2 Q_2) and P_1 - P_2 = .8 (Q_1 - Q_2).
    """
    found = matters(np.log([0.5, 0.2]))
    np.testing.assert_allclose(found, [0.25, 0.25 * 0.64 + 0.64, 0.25 * 0.04 + 0.64])
    assert matters(np.array([0.0])).tolist() == [0, 0]  # nobody leaves: nothing rests on draws
    assert matters(np.array([-np.inf])).tolist() == [1, 1]
    assert np.isfinite(matters(np.array([-1.0, np.nan, -1.0]))).all()


def test_even_odds_are_worth_more_than_sure_ones_and_cheap_ones_more_than_dear_ones():
    never = np.full(4, -np.inf)
    flat = np.ones(5)
    even = worth(np.full((5, 2), 50), never, flat)
    np.testing.assert_allclose(even[[0, 4]], np.sqrt(0.5))
    np.testing.assert_allclose(even[1:4], 1)
    sure = np.array([[100, 0]] * 4 + [[50, 50]])
    found = worth(sure, never, flat)
    assert (np.diff(found[:4]) > 0).all()  # what the neighbours say counts, too
    assert found[3] < 0.25
    cost = np.array([4.0, 3, 2, 1, np.nan])
    np.testing.assert_allclose(worth(np.full((5, 2), 50), never, cost)[:4] ** 2 * cost[:4],
                               even[:4] ** 2 * 2.5)  # fmt: skip


def test_a_pilot_of_one_answer_leaves_room_for_others_nearby():
    pilot = np.array([[5, 0], [5, 0], [2, 3]])
    found = worth(pilot, np.full(2, -np.inf), np.ones(3))
    assert 0 < found[0] < found[1] < found[2]
    none = worth(np.zeros((3, 1), int), np.full(2, -np.inf), np.ones(3))
    np.testing.assert_allclose(none, np.sqrt([0.5, 1, 0.5]))


def test_one_answer_alone_is_worth_nothing_but_a_pilot():
    found = worth(np.full((3, 1), 7), np.full(2, -np.inf), np.array([3.0, 2, 1]))
    assert found.tolist() == [0, 0, 0]


def rollouts(n: int, answers: str = "ab", tokens: int = 10) -> Rollouts:
    given = tuple(answers[i % len(answers)] for i in range(n))
    return Rollouts(np.arange(n), given, np.zeros(n, bool), ("",) * n, n_tokens=np.full(n, tokens))


def test_what_was_kept_of_the_trace_costs_nothing():
    known = Departures(np.log([0.5, 1.0]), ((Departure(4, 7),) * 3, (), ()))
    found = lengths([rollouts(3), rollouts(0), rollouts(2, tokens=6)], known)
    np.testing.assert_array_equal(found, [6, np.nan, 6])


DRAWS, N = 60, len(TRACE.sentences)
WAYS = (*((Departure(0, 7),) * DRAWS for _ in range(N - 1)), (), ())  # the last is always written
KNOWN = Departures(np.log([0.5] * (N - 1) + [1.0]), WAYS)


def have(*drawn: dict[int, Rollouts], pilot: int = 8) -> Evidence:
    empty = Evidence(DRAWS, "", (), pilot=pilot)
    found = {(arm, k): r for arm, rows in zip(arms(empty), drawn, strict=False)
             for k, r in rows.items()}  # fmt: skip
    asked = {Depart(arm, DRAWS): KNOWN for arm in arms(empty)}
    return Evidence(DRAWS, "", (), found, answers=asked, pilot=pilot)


def numbers(given: Evidence) -> dict[str, list[int]]:
    draws = [want for want in leaving(TRACE, given) if isinstance(want, Draw)]
    found = {arm: dict[int, int]() for arm in arms(given)}
    for draw in draws:
        found[draw.arm][draw.boundary] = draw.n
        assert len(draw.leaving) == (0 if draw.boundary == N else draw.n)
    return {arm: [each.get(k, 0) for k in range(N + 1)] for arm, each in found.items()}


def test_pilots_come_before_what_they_allot():
    nothing = Evidence(DRAWS, "", (), pilot=8)
    assert leaving(TRACE, nothing) == [Depart("leave", DRAWS), Depart("leave_second", DRAWS)]
    first = [4] * (N - 1) + [0, 4]
    assert numbers(have()) == {"leave": first, "leave_second": first}
    places = [*range(N - 1), N]
    sure, torn = ({k: rollouts(4, said) for k in places} for said in ("a", "ab"))
    missing = {k: r for k, r in torn.items() if k}
    assert numbers(have(sure, missing))["leave"] == first
    found = numbers(have(sure, torn))
    assert found["leave_second"] == first  # the first half's pilot saw one answer
    assert min(found["leave"][:3]) > 4
    assert max(found["leave"]) <= DRAWS
    assert numbers(have(torn, sure)) == {"leave": first, "leave_second": found["leave"]}


def test_what_a_half_gets_does_not_rest_on_its_own_draws():
    """More of them, saying something else, change what the other gets by the pilot alone."""
    places = [*range(N - 1), N]
    torn = {k: rollouts(4, "ab") for k in places}
    more = {k: rollouts(9, "abab" + "ccccc") for k in places}
    assert numbers(have(more, torn)) == numbers(have(torn, torn))


def test_as_many_everywhere_without_a_pilot():
    assert numbers(have(pilot=0)) == {"leave": [DRAWS] * (N - 1) + [0, DRAWS]}


def test_averaged_by_hand():
    a, b = sample(np.array([[4, 0], [2, 2], [0, 0]])), sample(np.array([[0, 2], [0, 0], [0, 0]]))
    found = averaged([a, b])
    np.testing.assert_allclose(found.p, [[0.5, 0.5], [0.5, 0.5], [np.nan, np.nan]])
    np.testing.assert_allclose(found.number, [1 / (1 / 16 + 1 / 8), 4, np.nan])
    assert averaged([a]).p[:2].tolist() == a.p[:2].tolist()


@pytest.mark.parametrize("p", [0.9, 0.97])
def test_no_answer_gains_by_the_allotment(p: float):
    """The likelier answer of two, also where all write the next sentence; exact but for chance."""
    rng, times, draws, pilot = np.random.default_rng(1), 1500, 100, 2
    apart = np.array([[p, 1 - p], [0.5, 0.5], [p, 1 - p]])
    logprob = np.array([-0.7, 0.0])
    found = np.zeros((times, 3))
    for i in range(times):
        first = [rng.multinomial(pilot, apart) for _ in range(2)]
        halves = []
        for own, other in ((0, 1), (1, 0)):
            told = worth(first[other] * [[1], [0], [1]], logprob, np.ones(3))
            more = np.maximum(np.round(draws / 2 * told).astype(int), pilot) - pilot
            halves.append((first[own] + rng.multinomial(more, apart)) * [[1], [0], [1]])
        found[i] = averaged([mixture(half, logprob) for half in halves]).p[:, 0]
    exact = np.exp(-0.7) * p + (1 - np.exp(-0.7)) * p
    error = found.std(axis=0) / np.sqrt(times)
    np.testing.assert_array_less(np.abs(found.mean(axis=0) - exact), 3.5 * error)
    assert (error < 0.004).all()
