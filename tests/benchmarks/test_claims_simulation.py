"""How often each claim's test is wrong where the effect lies at a threshold, and right beyond.

`pytest tests/benchmarks/test_claims_simulation.py --benchmark-enable -o addopts="" -s` makes 2,000
runs of 24 problems a threshold and prints what they say; SIMULATIONS=200 in the environment makes
fewer. Bounds bind at 2,000. A few runs where not enabled.
"""

import os
from collections import Counter

import pytest

from tests.harness.claims.simulated import BEYOND, RUNS, edges, verdict

SIMULATIONS = 2000
MOST = 0.05
# Noise that is taken out of Savage scores is taken out too far: what is .50 with many draws
# comes out at .525, and the interval is right about that.
BIASED = {"one_phenomenon": 0.12, "information_peaks": 0.09}


@pytest.fixture(scope="module")
def seeds(request):
    wanted = int(os.environ.get("SIMULATIONS", SIMULATIONS))
    return range(1 if request.config.getoption("benchmark_disable") else wanted)


@pytest.mark.parametrize("name", RUNS)
def test_at_a_threshold(name, seeds):
    for wrong, effect in edges(name).items():
        said = Counter(verdict(name, RUNS[name](seed, effect)) for seed in seeds)
        shares = {what: round(n / len(seeds), 4) for what, n in said.most_common()}
        print(f"{name} at {effect:g}, wrong would be {wrong}: {shares}", flush=True)
        if len(seeds) >= SIMULATIONS:
            assert said[wrong] <= BIASED.get(name, MOST) * len(seeds)


@pytest.mark.parametrize("name", RUNS)
def test_beyond(name, seeds):
    for effect, right in zip(BEYOND[name], ("supported", "contradicted"), strict=True):
        if effect is not None:
            some = seeds[:200]
            said = Counter(verdict(name, RUNS[name](seed, effect)) for seed in some)
            print(f"{name} at {effect:g}: {right} in {said[right] / len(some):.3f}", flush=True)
