"""What RL's choice is worth: weighted rollouts beside two arms with as many rollouts each."""

import numpy as np
import polars as pl
import pytest

from harness.store.load import load
from tests.harness.line import harness_exit

LINE = [
    "method=[transplant_boundary,transplant_drawn]",
    "method.transplant_drawn.min_ess=0.9999",  # so that nearly every sentence is drawn
    *("problems.limit=3", "sampling.draws=100", "run=r", "report.dpi=50", "agreement.draws=20"),
]


def variance(scores: pl.DataFrame) -> float:
    """Mean over sentences of the variance of a score of half of the draws, from pairs of halves."""
    a, b = (np.array(scores[half].to_list()) for half in ("half_a", "half_b"))
    return float(np.nanmean((a - b) ** 2) / 2)


@pytest.mark.benchmark
def test_weights_are_worth_ten_times_the_rollouts(tmp_path, monkeypatch, benchmark):
    monkeypatch.chdir(tmp_path)
    assert benchmark.pedantic(harness_exit, args=(monkeypatch, *LINE), rounds=1) == 0
    run = load("results/r")
    weighted, drawn = (run.diagnostics(f"transplant_{mode}") for mode in ("boundary", "drawn"))
    ratio = variance(drawn) / variance(weighted)
    bias = float((drawn["score"] - weighted["score"]).mean())  # over sentences: noise goes out
    weights = weighted["mean_weight"].mean()
    print(f"\nvariance of 50 rollouts, two arms over weights: {ratio:.0f}")
    print(f"mean difference of the two {bias:.3f}; mean weight {weights:.3f}")
    assert ratio >= 10
    assert abs(bias) < 0.03
    assert weights == pytest.approx(1, abs=0.05)
