"""The small form of tests/benchmarks/test_agreement_simulation.py."""

import numpy as np
import pytest
from scipy import stats

from tests.harness.cells import ANCHORS, NULLS, OTHERS, PLANTED, STRUCTURE
from tests.harness.simulated import CORRELATIONS, covered, rejected, row, rows, sized, verdicts

pytestmark = pytest.mark.slow

RUNS = 40


def rarely(rates):
    """Whether no statistic rejects more often than one in twenty explains."""
    counts = [round(RUNS * rates[s]) for s in CORRELATIONS]
    return all(stats.binomtest(n, RUNS, 0.05).pvalue > 0.002 for n in counts)


@pytest.mark.parametrize("name", ["trend, short", "grams", "convergence", "shared draws"])
def test_nothing_is_found_where_nothing_is(name):
    shape, control = NULLS[name]
    assert rarely(rejected(shape, control, range(RUNS)))


@pytest.mark.parametrize("name", ["slopes by trace 13x20", "slopes, ends, gradual 30x20"])
def test_structure_takes_out_what_a_trace_does_by_itself(name):
    assert rarely(rejected(STRUCTURE[name], "structure", range(RUNS)))
    assert rejected(STRUCTURE[name], "none", range(5)) == dict.fromkeys(CORRELATIONS, 1)


@pytest.mark.parametrize("name", ["trend, short", "grams", "convergence"])
def test_without_its_control_it_is(name):
    assert rejected(NULLS[name][0], "none", range(5)) == dict.fromkeys(CORRELATIONS, 1)


def test_a_shared_convergence_point_makes_position_too_weak_a_control():
    shape = NULLS["convergence"][0]
    assert rejected(shape, "position", range(5)) == dict.fromkeys(CORRELATIONS, 1)


def test_shared_draws_agree_unless_compared_across_halves():
    shape = sized(30, 60, noise=(0.7, 0.7), shared=True)
    for found in rows(shape, "none", 0).to_dicts():
        assert found["cross_fit"]
        assert abs(found["value"]) < 0.1


def test_a_weak_relation_is_found():
    found = rejected(sized(30, 60, rho=0.2), "none", range(RUNS))
    assert min(found.values()) > 0.9


@pytest.mark.parametrize("name", PLANTED)
def test_planted_pairs_get_their_verdicts(name):
    assert verdicts(PLANTED[name], range(4)) == {name: 1}


def test_the_same_anchors_and_the_same_rest_are_told_apart():
    shapes = {name: ANCHORS[f"{name} anchors, 17 %"] for name in ("identical", "disjoint")}
    said = {name: verdicts(shape, range(4)) for name, shape in shapes.items()}
    assert said["disjoint"] == {"different": 1}
    assert set(said["identical"]) <= {"overlapping", "same"}
    for name, above in (("identical", "topdown"), ("disjoint", "spearman")):
        seen = {s: row(shapes[name], "none", 0, s)["value"] for s in CORRELATIONS}
        assert max(seen, key=seen.get) == above


@pytest.mark.parametrize("name", [n for n in OTHERS if "50 problems" in n and "both" in n])
def test_what_is_not_one_truth_is_never_the_same(name):
    assert "same" not in verdicts(OTHERS[name], range(3))


def test_intervals_free_of_noise_hold_what_they_estimate():
    shape = sized(30, 40, rho=0.6, noise=(0.7, 0.7))
    share, mean = covered(shape, range(RUNS), "disattenuated")
    assert stats.binomtest(round(RUNS * share), RUNS, 0.95).pvalue > 0.002
    # the classical ratio of rank correlations is a little above the correlation without noise
    quiet = sized(30, 40, rho=0.6)
    truth = np.mean([row(quiet, "none", seed)["value"] for seed in range(RUNS)])
    assert truth - 0.01 < mean < truth + 0.04
