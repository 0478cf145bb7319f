"""Error rates, coverage and power of the agreement frame on simulated runs, 2,000 a cell.

`pytest tests/benchmarks/test_agreement_simulation.py --benchmark-enable -s`, cell by cell with -k;
each takes a minute or two and prints what it found. A few runs where not enabled.
"""

import numpy as np
import pytest

from tests.harness.simulated import NULLS, PLANTED, Shape, covered, rejected, row, verdicts

SIMULATIONS = 2000
FEW = 4

COVERED = {
    "plain": Shape(rho=0.4),
    "twelve problems": Shape(rho=0.4, problems=12),
    "zeros": Shape(rho=0.6, zeros=0.8),
    "autocorrelation .9": Shape(rho=0.4, auto=0.9),
    "draws": Shape(rho=0.6, noise=0.7, sizes=(30, 60)),
    "shared draws": Shape(rho=0.6, noise=0.7, sizes=(30, 60), shared=True),
}


@pytest.fixture(scope="module")
def seeds(request):
    return range(FEW if request.config.getoption("benchmark_disable") else SIMULATIONS)


def within(name, value, low, high, seeds):
    """Print a rate; the bounds bind where the simulations are all there."""
    print(f"{name}: {value:.3f}")
    assert len(seeds) < SIMULATIONS or low <= value <= high


@pytest.mark.parametrize("name", NULLS)
def test_type_one_error(name, seeds):
    shape, control = NULLS[name]
    within(f"type I, {name}, {control}", rejected(shape, control, seeds), 0.03, 0.08, seeds)


@pytest.mark.parametrize("problems", [10, 30])
def test_power_at_a_fifth(problems, seeds):
    shape = Shape(rho=0.2, problems=problems, sizes=(60, 61))
    low = 0.8 if problems == 30 else 0
    within(f"power, {problems} problems", rejected(shape, "none", seeds), low, 1, seeds)


@pytest.mark.parametrize("name", COVERED)
def test_coverage(name, seeds):
    share, mean = covered(COVERED[name], seeds, "value")
    within(f"coverage, {name} (mean {mean:.3f})", share, 0.92, 0.98, seeds)


@pytest.mark.parametrize("shared", [False, True])
def test_coverage_free_of_noise(shared, seeds):
    pure = Shape(rho=0.6, sizes=(30, 60))
    truth = float(np.mean([row(pure, "none", seed)["value"] for seed in seeds]))
    noisy = Shape(rho=0.6, sizes=(30, 60), noise=0.7, shared=shared)
    share, mean = covered(noisy, seeds, "disattenuated")
    named = f"coverage, disattenuated, shared {shared} (mean {mean:.3f}, without noise {truth:.3f})"
    within(named, share, 0.92, 0.98, seeds)


@pytest.mark.parametrize("name", PLANTED)
def test_verdicts(name, seeds):
    low = 0.5 if name == "undecided" else 0.9
    within(f"verdict {name}", verdicts(name, seeds), low, 1, seeds)
