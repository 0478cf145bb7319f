"""The small form of tests/benchmarks/test_agreement_simulation.py."""

import numpy as np
import pytest
from scipy import stats

from tests.harness.simulated import (
    NULLS,
    PLANTED,
    Shape,
    covered,
    rejected,
    row,
    verdicts,
)

RUNS = 40


@pytest.mark.parametrize("name", ["trend, short", "grams", "convergence", "shared draws"])
def test_nothing_is_found_where_nothing_is(name):
    shape, control = NULLS[name]
    found = round(RUNS * rejected(shape, control, range(RUNS)))
    assert stats.binomtest(found, RUNS, 0.05).pvalue > 0.002


@pytest.mark.parametrize("name", ["trend, short", "grams", "convergence"])
def test_without_its_control_it_is(name):
    assert rejected(NULLS[name][0], "none", range(5)) == 1


def test_a_shared_convergence_point_makes_position_too_weak_a_control():
    shape = NULLS["convergence"][0]
    assert rejected(shape, "position", range(5)) == 1


def test_shared_draws_agree_unless_compared_across_halves():
    shape = Shape(noise=0.7, shared=True)
    told_apart = row(shape, "none", 0)
    assert told_apart["cross_fit"]
    assert abs(told_apart["value"]) < 0.1


def test_a_weak_relation_is_found():
    assert rejected(Shape(rho=0.2, sizes=(60, 61)), "none", range(RUNS)) > 0.9


@pytest.mark.parametrize("name", PLANTED)
def test_planted_pairs_get_their_verdicts(name):
    assert verdicts(name, range(4)) >= (0.5 if name == "undecided" else 1)


def test_intervals_free_of_noise_hold_what_they_estimate():
    shape = Shape(rho=0.6, noise=0.7, sizes=(30, 60))
    share, mean = covered(shape, range(RUNS), "disattenuated")
    assert stats.binomtest(round(RUNS * share), RUNS, 0.95).pvalue > 0.002
    # the classical ratio of rank correlations is a little above the correlation without noise
    quiet = Shape(rho=0.6, sizes=(30, 60))
    truth = np.mean([row(quiet, "none", seed)["value"] for seed in range(RUNS)])
    assert truth - 0.01 < mean < truth + 0.04
