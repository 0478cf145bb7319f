"""Twelve methods on 100 traces of 60 sentences, all at once and as a loop of scipy's calls.

`pytest tests/benchmarks/test_agreement_bench.py --benchmark-enable`; small where not enabled.
"""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from omegaconf import OmegaConf
from scipy import stats

from harness.agreement import Agreement, agreement
from harness.config import build

YAML = Path(__file__).parents[2] / "conf" / "agreement" / "default.yaml"
SENTENCES = 60


@pytest.fixture(scope="module")
def values(request):
    """Methods by traces by sentences, some with ties and some with gaps."""
    size = (4, 6) if request.config.getoption("benchmark_disable") else (12, 100)
    scores = np.random.default_rng(0).normal(size=(*size, SENTENCES))
    scores[::3] = np.round(scores[::3])
    scores[1, :, :3] = np.nan
    return scores


@pytest.fixture(scope="module")
def frames(values):
    traces = values.shape[1]
    cells = pl.DataFrame({"trace_id": [f"t{i:03}" for i in range(traces)]}).join(
        pl.DataFrame({"sentence": np.arange(SENTENCES, dtype=np.int32)}), how="cross"
    )
    named = cells.with_columns(model=pl.lit("m"), problem_id="trace_id")
    scores = [
        named.with_columns(method=pl.lit(f"m{i}"), score=pl.Series(v.ravel()))
        for i, v in enumerate(values)
    ]
    rng = np.random.default_rng(1)
    known = {
        "position": np.tile(np.arange(1, SENTENCES + 1) / SENTENCES, traces),
        "length": rng.integers(3, 40, len(cells)).astype(float),
        "lexicon": (rng.random(len(cells)) < 0.3).astype(float),
        "headroom": rng.random(len(cells)),
    }
    covariates = [cells.with_columns(method=pl.lit(k), score=v) for k, v in known.items()]
    return pl.concat(scores), pl.concat(covariates)


@pytest.fixture(scope="module")
def conf():
    return build(Agreement, OmegaConf.load(YAML), "agreement")


def loop(values):
    """Mean Spearman and Kendall of each pair, one scipy call a pair and trace."""
    means = []
    for statistic in (stats.spearmanr, stats.kendalltau):
        for x, y in combinations(values, 2):
            both = np.isfinite(x) & np.isfinite(y)
            pairs = zip(x, y, both, strict=True)
            means.append(np.mean([statistic(a[k], b[k]).statistic for a, b, k in pairs]))
    return means


def test_scipy_loop(benchmark, values):
    benchmark.pedantic(loop, (values,), rounds=1)


def test_two_statistics_as_the_loop(benchmark, values, frames, conf):
    conf = replace(conf, statistics=("spearman", "kendall"), controls=("none",))
    rows, _ = benchmark.pedantic(agreement, (*frames, {}, conf), rounds=3)
    by_statistic = [rows.filter(statistic=s)["value"] for s in conf.statistics]
    assert pl.concat(by_statistic).to_list() == pytest.approx(loop(values))


def test_every_statistic_and_control(benchmark, values, frames, conf):
    rows, _ = benchmark.pedantic(agreement, (*frames, {}, conf), rounds=3)
    assert len(rows) == len(list(combinations(values, 2))) * 8
