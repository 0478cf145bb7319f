"""The figures of docs/design: what goes wrong with another unit than problems, and without halves.

`pytest tests/benchmarks/test_design_bench.py -s -o addopts=` prints them in half a minute.
"""

import numpy as np
import pytest
from scipy import stats

PROBLEMS, TRACES, SENTENCES = 20, 4, 30
DRAWS, SPLITS = 100, 20
RUNS, REPEATS = 4000, 40


def smooth(rng, *shape):
    """Standard normal series along the last axis, each entry .9 of the one before."""
    x = rng.standard_normal(shape)
    for i in range(1, shape[-1]):
        x[..., i] = 0.9 * x[..., i - 1] + np.sqrt(1 - 0.81) * x[..., i]
    return x


def spearman(a, b):
    """Along the last axis."""
    return pearson(stats.rankdata(a, axis=-1), stats.rankdata(b, axis=-1))


def pearson(a, b):
    a, b = (x - x.mean(-1, keepdims=True) for x in (a, b))
    return (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))


def unrelated(rng):
    """Two methods without a relation. Both scores drift along a trace, and what a problem makes of
    either (the same in all of its traces) is half of their variance."""
    a, b = (
        np.sqrt(0.5) * (smooth(rng, PROBLEMS, 1, SENTENCES) + smooth(rng, *shape))
        for shape in [(PROBLEMS, TRACES, SENTENCES)] * 2
    )
    return a, b


def test_only_problems_keep_the_level_of_a_test():
    rng, found = np.random.default_rng(0), {"sentences": [], "traces": [], "problems": []}
    for _ in range(RUNS):
        a, b = unrelated(rng)
        ranks = [stats.rankdata(x, axis=-1).ravel() for x in (a, b)]
        by_trace = spearman(a, b)
        found["sentences"].append(stats.pearsonr(*ranks).pvalue)
        found["traces"].append(stats.ttest_1samp(by_trace.ravel(), 0).pvalue)
        found["problems"].append(stats.ttest_1samp(by_trace.mean(1), 0).pvalue)
    rates = {unit: float(np.mean(np.array(p) < 0.05)) for unit, p in found.items()}
    print(f"\n{RUNS} runs, p below .05 without a relation:", rates)
    assert 0.03 < rates["problems"] < 0.08
    assert rates["traces"] > 2 * rates["problems"]
    assert rates["sentences"] > rates["traces"]


def test_only_halves_separate_shared_noise_from_agreement():
    """Scores are a truth and the mean of `DRAWS` draws' noise, of the truth's own variance."""
    rng, found = np.random.default_rng(1), {}
    for truth in ("unrelated", "equal"):
        shape = (REPEATS, PROBLEMS, SENTENCES)
        a, b = (rng.standard_normal(shape) for _ in range(2))
        noise = np.sqrt(DRAWS) * rng.standard_normal((*shape, DRAWS))
        pair = (a, b if truth == "unrelated" else a)
        whole = [x + noise.mean(-1) for x in pair]
        across, own = [], []
        for _ in range(SPLITS):
            order = rng.permutation(DRAWS)
            one, two = (noise[..., order[i::2]].mean(-1) for i in (0, 1))
            halves = [(x + one, x + two) for x in pair]
            (a_one, a_two), (b_one, b_two) = halves
            across.append((pearson(a_one, b_two) + pearson(a_two, b_one)) / 2)
            own.append([pearson(*both) for both in halves])
        reliable = np.mean(own, axis=(0, 2, 3))
        cross = np.mean(across)
        found[truth] = {
            "whole scores": round(float(pearson(*whole).mean()), 2),
            "across halves": round(float(cross), 2),
            "disattenuated": round(float(cross / np.sqrt(reliable.prod())), 2),
        }
    print("\n", found)
    assert found["unrelated"]["whole scores"] > 0.4
    assert abs(found["unrelated"]["disattenuated"]) < 0.1
    assert found["equal"]["disattenuated"] == pytest.approx(1, abs=0.1)
