"""Every claim's test on runs whose effect is known; tests/benchmarks makes 2,000 of each."""

import pytest

from tests.harness.claims.simulated import BEYOND, CLAIMS, RUNS, edges, verdict

FEW = 6


def test_every_claim_is_simulated():
    assert set(RUNS) == set(BEYOND) == set(CLAIMS)


@pytest.mark.parametrize("name", RUNS)
def test_well_beyond_a_threshold_it_says_so(name: str):
    for effect, right in zip(BEYOND[name], ("supported", "contradicted"), strict=True):
        if effect is not None:
            said = [verdict(name, RUNS[name](seed, effect)) for seed in range(FEW)]
            assert said.count(right) >= FEW - 1, (effect, said)


@pytest.mark.parametrize("name", RUNS)
def test_at_a_threshold_it_is_seldom_wrong(name: str):
    for wrong, effect in edges(name).items():
        said = [verdict(name, RUNS[name](seed, effect)) for seed in range(FEW)]
        assert said.count(wrong) <= 2, (effect, said)
