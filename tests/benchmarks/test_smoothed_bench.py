"""How far change-points and plain rollouts are from the truth, where it is known.

`pytest tests/benchmarks/test_smoothed_bench.py --benchmark-enable -o addopts="" -s`. Rollouts are
drawn from chains of sentences (tests/benchmarks/test_schedules_bench.py), 40 a boundary and fewer.
Printed: mean squared error of total variation, over all sentences and over those that change the
answers by .02 or more, and Spearman with the truth within a trace.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import rankdata

from harness.analysis.replay.world import World, worlds
from harness.run.growth import stored
from harness.statistics.changes import smoothed
from harness.statistics.distances import Contrast, total_variation
from harness.store.traces import load
from tests.benchmarks.test_schedules_bench import PUBLISHED, RUN, like_published, simulated

CONF = Path(__file__).parents[2] / "conf" / "method" / "resampling_smoothed.yaml"
OPTIONS = yaml.safe_load(CONF.read_text())["resampling_smoothed"]
PLAIN = Contrast("tv", alpha=1.0, subtract_floor=True, floor_draws=100)
DRAWS, CHANGED = (4, 7, 10, 14, 20, 28, 40), 0.02


def estimates(world: World, draws: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The total variation of each sentence by both, from the same rollouts."""
    counts = np.array([rng.multinomial(draws, p) for p in world.behind])
    both = np.zeros_like(counts[1:])
    means = smoothed(counts, OPTIONS["rates"], OPTIONS["alpha"]).p
    return {
        "plain": PLAIN.score(counts[:-1], counts[1:], rng, both).score,
        "smoothed": total_variation(means[:-1], means[1:]),
    }


def rank(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman; NaN where one of them is constant."""
    first, second = rankdata(a), rankdata(b)
    apart = first.std() * second.std()
    return float(np.cov(first, second, ddof=0)[0, 1] / apart) if apart else np.nan


def measured(made: Sequence[World], name: str) -> dict[tuple[str, int], np.ndarray]:
    """By estimator and draws the two errors and the rank, means over traces; printed."""
    rng, found = np.random.default_rng(0), dict[tuple[str, int], list[list[float]]]()
    for world in made:
        truth, changed = world.importance, world.importance >= CHANGED
        for draws in DRAWS:
            for way, values in estimates(world, draws, rng).items():
                error = (values - truth) ** 2
                some = float(error[changed].mean()) if changed.any() else np.nan
                row = [float(error.mean()), some, rank(values, truth)]
                found.setdefault((way, draws), []).append(row)
    table = {key: np.nanmean(rows, axis=0) for key, rows in found.items()}
    for (way, draws), (every, some, by_rank) in table.items():
        print(f"{name}: {way} {draws}: all {every:.4f}, changed {some:.4f}, rank {by_rank:.2f}")
    for i, what in enumerate(("all", "changed")):
        error = np.log([table["smoothed", draws][i] for draws in DRAWS])
        goal = np.log(table["plain", DRAWS[-1]][i])
        share = np.exp(np.interp(-goal, -error, np.log(DRAWS))) / DRAWS[-1]
        print(f"{name}: {what}: as near as {DRAWS[-1]} plain draws with {share:.2f} of them")
    return table


@pytest.mark.parametrize("source", ["simulated", "published", "organism"])
def test_errors(source: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("benchmark_disable"):
        pytest.skip("measures only: make bench")
    if source == "published" and not PUBLISHED.exists():
        pytest.skip("needs shared/data/thought_anchors_20")
    rng = np.random.default_rng(1)
    made = {
        "simulated": lambda: [simulated(rng, 30, end) for end in (1.0, 0.5) for _ in range(24)],
        "published": lambda: list(like_published(rng)),
        "organism": lambda: list(worlds(RUN, load(RUN, stored(RUN)))),
    }[source]()
    found = measured(made, source)
    assert all(found["smoothed", n][0] < found["plain", n][0] for n in DRAWS if n >= 10)
