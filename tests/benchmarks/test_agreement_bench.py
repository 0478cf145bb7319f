"""Ten methods, four of which draw, on many traces of about 60 sentences, and scipy on a slice.

`pytest tests/benchmarks/test_agreement_bench.py --benchmark-enable -s` takes ten minutes and prints
time, memory and ratios; small where not enabled.
"""

import resource
import time
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from harness.agreement import MethodInfo, agreement
from harness.agreement.panel.blocks import blocks
from harness.agreement.ranks import standing
from harness.agreement.statistics import Measure, similarity
from tests.harness.comparing import load

METHODS, DRAWING, SPLITS = 10, 4, 20
FULL, SLICE, TINY = 10_000, 100, 12
CONF = load()


@pytest.fixture(scope="module")
def enabled(request):
    return not request.config.getoption("benchmark_disable")


def frames(traces, folder, seed=0):
    """Scores in files, traces and covariates; some methods have ties, some gaps, some halves."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(50, 71, traces)
    n = int(sizes.sum())
    names = np.array([f"t{i:05}" for i in range(traces)])
    cells = pl.DataFrame(
        {
            "trace_id": np.repeat(names, sizes),
            "sentence": np.concatenate([np.arange(s, dtype=np.int32) for s in sizes]),
        }
    )
    place = np.concatenate([np.arange(1, s + 1) / s for s in sizes])
    truth = rng.normal(size=n) + place
    files = {f"m{i}": folder / f"m{i}-{traces}.parquet" for i in range(METHODS)}
    for i, file in enumerate(files.values()):
        _method(cells, truth, place, i, rng).write_parquet(file)
    known = {
        "position": place,
        "length": rng.integers(3, 40, n).astype(float),
        "lexicon": (rng.random(n) < 0.3).astype(float),
        "headroom": np.where(place < 0.7, rng.random(n), 0.0),
    }
    covariates = [
        cells.with_columns(method=pl.lit(name), score=pl.Series(v)) for name, v in known.items()
    ]
    told = pl.DataFrame({"trace_id": names, "problem_id": names, "model": ["m"] * traces})
    scores = {name: pl.scan_parquet(file) for name, file in files.items()}
    return scores, told, pl.concat(covariates)


def _method(cells, truth, place, i, rng):
    n = len(cells)
    score = truth + rng.normal(size=n)
    if i % 3 == 0:
        score = np.round(score)
    if i == 1:
        score[place > 0.95] = np.nan
    halves = {"half_a": pl.Series([[]] * n), "half_b": pl.Series([[]] * n)}
    if i < DRAWING:
        halves = {h: pl.Series(score[:, None] + rng.normal(size=(n, SPLITS))) for h in halves}
    kind = pl.List(pl.Float64)
    lists = {half: made.cast(kind) for half, made in halves.items()}
    return cells.with_columns(score=pl.Series(score), **lists)


TRAITS = {
    f"m{i}": MethodInfo("xy"[i % 2], False, frozenset(["resample"] if i < 2 else []))
    for i in range(METHODS)
}


def timed(traces, folder):
    """What is found, seconds, and the most memory that the process had so far, in GiB."""
    given = frames(traces, folder)
    start = time.perf_counter()
    found = agreement(*given, TRAITS, CONF)
    seconds = time.perf_counter() - start
    return found, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def test_all_pairs_and_controls(enabled, tmp_path):
    """Time and memory of the whole, and that time grows with the traces and no faster."""
    part, short, little = timed(FULL // 5 if enabled else TINY, tmp_path)
    assert len(part.agreement) == METHODS * (METHODS - 1) // 2 * 19
    if enabled:
        whole, long, most = timed(FULL, tmp_path)
        for traces, seconds, memory in ((FULL // 5, short, little), (FULL, long, most)):
            print(f"{traces} traces: {seconds:.0f} s, {memory:.2f} GiB")
        assert whole.agreement["n_traces"].max() == FULL
        assert long < 300
        assert most < 4
        assert long < 7 * short


def loop(values):
    """Mean Spearman and Kendall of each pair, one scipy call a pair and trace."""
    means = []
    for statistic in (stats.spearmanr, stats.kendalltau, stats.weightedtau):
        for x, y in combinations(values, 2):
            pairs = zip(x, y, strict=True)
            means.append(np.mean([statistic(a, b)[0] for a, b in pairs]))
    return means


def together(values):
    """The same of all pairs at once."""
    methods, traces, n = values.shape
    flat = values.reshape(methods, -1)
    trace, kept = np.repeat(np.arange(traces), n), np.ones(traces * n, bool)
    first, second = np.array(list(combinations(range(methods), 2))).T
    total = {name: np.zeros(len(first)) for name in ("spearman", "kendall", "weighted_tau")}
    for block in blocks(trace, kept):
        scores = block.rows(flat)
        stand = standing(scores, block.inside)
        for name in total:
            found = similarity(Measure(name, "none", None), scores, stand, CONF)
            total[name] += found.value[:, first, second].sum(0)
    return np.concatenate([t / traces for t in total.values()])


@pytest.fixture(scope="module")
def values(enabled):
    return np.random.default_rng(0).normal(size=(METHODS, SLICE if enabled else 3, 60))


def test_scipy_loop(benchmark, values):
    benchmark.pedantic(loop, (values,), rounds=1)


def test_all_at_once(benchmark, values, enabled):
    found = benchmark.pedantic(together, (values,), rounds=3)
    start = time.perf_counter()
    assert found == pytest.approx(loop(values), abs=1e-6)
    if enabled:
        ratio = (time.perf_counter() - start) / benchmark.stats.stats.min
        print(f"{ratio:.0f} times as fast as scipy's calls")
        assert ratio > 50
