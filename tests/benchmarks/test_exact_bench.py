"""Tokens at which forced departures reach the mean squared error of plain draws at each boundary.

`pytest tests/benchmarks/test_exact_bench.py --benchmark-enable -o addopts="" -s`. Draws both arms
on problems of the organism, whose exact total variation is known, and plays simulated chains: those
of test_adaptive_bench, and chains of two answers with the repeat rates seen in published rollouts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import chi2

from harness import Depart
from harness.cli.checks import plan
from harness.evidence.draws.departures import departures
from harness.models.model import subject
from harness.run.growth import stored
from harness.run.job import job
from harness.statistics.distances import Contrast
from harness.statistics.mixtures import contrasted, mixture
from harness.store.files import slug
from harness.store.traces import load

DRAWS, TIMES = 40, 6
SIZES = (8, 12, 16, 20, 24, 32, 40)
TV = Contrast("tv", 1.0, subtract_floor=True, floor_draws=60)
STEP = 30  # tokens of a simulated sentence
Played = Callable[[int, np.random.Generator], tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Chain:
    """Sentences written again with a probability; by boundary the answers of who leaves there.

    `apart` has a row more than there are sentences: the answers behind the last.
    """

    repeat: np.ndarray
    apart: np.ndarray

    @property
    def behind(self) -> np.ndarray:
        """The answers at every boundary."""
        found = [self.apart[-1]]
        for p, q in zip(self.repeat[::-1], self.apart[-2::-1], strict=True):
            found.insert(0, p * found[0] + (1 - p) * q)
        return np.array(found)

    @property
    def exact(self) -> np.ndarray:
        """The total variation that each sentence makes."""
        return np.abs(np.diff(self.behind, axis=0)).sum(axis=1) / 2

    def plain(self, draws: int, rng: np.random.Generator) -> tuple[float, float]:
        """Squared error and tokens of so many rollouts at each boundary."""
        counts = rng.multinomial(draws, self.behind)
        score = TV.score(counts[:-1], counts[1:], rng).score
        return float(((score - self.exact) ** 2).mean()), float(draws * self.left().sum())

    def leaving(self, draws: int, rng: np.random.Generator) -> tuple[float, float]:
        """The same where all leave: what they keep, half a sentence, is not written."""
        counts = rng.multinomial(draws, self.apart)
        kept = mixture(counts, np.log(self.repeat)).behind()
        score = contrasted(TV, counts[:-1], kept, self.repeat, rng).score
        tokens = self.left() - np.append(np.full(len(self.repeat), STEP / 2), 0)
        return float(((score - self.exact) ** 2).mean()), float(draws * tokens.sum())

    def left(self) -> np.ndarray:
        """Tokens from each boundary to the end."""
        return STEP * np.arange(len(self.apart), 0, -1)


def simulated(rng: np.random.Generator, sentences: int, end: float) -> Chain:
    """As in test_adaptive_bench."""
    repeat, behind, apart = rng.uniform(0, 0.6, sentences), np.eye(5)[0], [np.eye(5)[0]]
    for k in reversed(range(sentences)):
        anchor = rng.random() < 0.2 and k < end * sentences
        apart.insert(0, rng.dirichlet(np.full(5, 0.5)) if anchor else behind)
        behind = repeat[k] * behind + (1 - repeat[k]) * apart[0]
    return Chain(repeat, np.array(apart))


def like_published(rng: np.random.Generator, sentences: int) -> Chain:
    """Right or wrong; exact repeats rare, .12 on average, above .8 for some 4 % of the sentences.

    One sentence in four moves P(correct) of those that leave, by .2 in standard deviation.
    """
    repeat = np.where(rng.random(sentences) < 0.05, rng.uniform(0.8, 1, sentences), 0)
    repeat = np.where(repeat > 0, repeat, rng.beta(0.35, 4, sentences)).clip(1e-9, 1 - 1e-9)
    behind, apart = float(rng.beta(4, 1)), list[float]()
    for p in repeat[::-1]:
        moved = behind + rng.normal(0, 0.2) if rng.random() < 0.25 else behind
        apart.insert(0, float(np.clip(moved, 0, 1)))
        behind = p * behind + (1 - p) * apart[0]
    right = np.array([*apart, rng.beta(4, 1)])
    return Chain(repeat, np.stack([right, 1 - right], axis=1))


def share(plain: Sequence[Played], leaving: Sequence[Played]) -> float:
    """Tokens of those that leave at the error of `DRAWS` plain rollouts, as a share of theirs."""
    rng = np.random.default_rng(0)

    def over(each: Sequence[Played], draws: int) -> np.ndarray:
        return np.mean([play(draws, rng) for play in each for _ in range(TIMES)], axis=0)

    error, tokens = over(plain, DRAWS)
    errors, spent = np.array([over(leaving, draws) for draws in SIZES]).T
    print(f"\nplain {error:.5f}; leaving {errors.round(5)} at {(spent / tokens).round(2)}")
    return float(np.interp(1 / error, 1 / errors, spent) / tokens)


def measured(plain: Sequence[Played], leaving: Sequence[Played], benchmark: object) -> float:
    found = benchmark.pedantic(share, args=(plain, leaving), rounds=1, iterations=1)
    benchmark.extra_info["share"] = found
    print(f"{found:.3f} of the tokens")
    return found


@pytest.mark.parametrize("end", [1.0, 0.5])
def test_simulated_chains(end: float, benchmark: object) -> None:
    rng = np.random.default_rng(1)
    chains = [simulated(rng, 30, end) for _ in range(48)]
    found = measured([c.plain for c in chains], [c.leaving for c in chains], benchmark)
    assert found < 0.42


def test_chains_like_published_ones(benchmark: object) -> None:
    rng = np.random.default_rng(2)
    chains = [like_published(rng, 80) for _ in range(24)]
    print(f"\nmean repeat rate {np.mean([c.repeat.mean() for c in chains]):.3f}")
    found = measured([c.plain for c in chains], [c.leaving for c in chains], benchmark)
    assert found < 0.85


# the organism

LINE = ["method=[resampling_plain,resampling_plain_exact]", "problems.limit=40"]


@dataclass(frozen=True, eq=False)
class Swept:
    """Rollouts of both arms of one trace: by boundary and draw, answers and tokens written.

    A row of the arm that leaves is -1 where nobody does. `logprob` is that of the sentences,
    `exact` their total variation, `repeats` how often the plain rollouts write each.
    """

    plain: tuple[np.ndarray, np.ndarray]
    left: tuple[np.ndarray, np.ndarray]
    logprob: np.ndarray
    exact: np.ndarray
    repeats: np.ndarray

    def counts(self, arm: tuple[np.ndarray, np.ndarray], draws: int, rng: np.random.Generator):
        """Counts of answers of some of the draws, and the tokens that these took."""
        some = rng.permutation(arm[0].shape[1])[:draws]
        answer, width = arm[0][:, some], max(self.plain[0].max(), self.left[0].max()) + 1
        rows = [np.bincount(row[row >= 0], minlength=width) for row in answer]
        return np.array(rows), float(arm[1][:, some].sum())

    def plainly(self, draws: int, rng: np.random.Generator) -> tuple[float, float]:
        """Squared error and tokens of so many rollouts at each boundary."""
        counts, tokens = self.counts(self.plain, draws, rng)
        score = TV.score(counts[:-1], counts[1:], rng).score
        return float(((score - self.exact) ** 2).mean()), tokens

    def leaving(self, draws: int, rng: np.random.Generator) -> tuple[float, float]:
        """The same of rollouts that leave."""
        counts, tokens = self.counts(self.left, draws, rng)
        kept = mixture(counts, self.logprob).behind()
        score = contrasted(TV, counts[:-1], kept, np.exp(self.logprob), rng).score
        return float(((score - self.exact) ** 2).mean()), tokens


def swept(run: Path) -> list[Swept]:
    """The traces of a run whose truth is known, with both arms."""
    conf, found = plan([*LINE, f"run={run.name}", f"results={run.parent}"]).jobs[0].run, []
    who, sampling = subject(conf.model), (conf.sampling.temperature, conf.sampling.top_p)
    sentences = pl.read_parquet(run / "sentences.parquet").sort("trace_id", "sentence")
    for trace in load(run, stored(run)):
        cut = sentences.filter(pl.col("trace_id") == trace.id)
        if cut["exact_tv"].is_nan().any() or cut["exact_tv"].null_count():
            continue
        frame = pl.read_parquet(run / "rollouts" / slug(trace.id) / "*.parquet")
        frame = frame.with_columns(answer=pl.col("answer").rank("dense").cast(pl.Int64) - 1)
        known = departures(who, trace, Depart("leave", 1), sampling, 0)
        ids = [trace.token_ids[s.start : s.stop] for s in trace.sentences]
        own = frame.filter(pl.col("arm") == "resample").sort("boundary", "draw")
        again = [
            sum(tuple(row[: len(part)]) == part for row in group["token_ids"])
            for part, (_, group) in zip(
                ids, own.group_by("boundary", maintain_order=True), strict=False
            )
        ]
        n = len(ids) + 1
        arms = [table(frame, arm, [*ids, ()], n) for arm in ("resample", "leave")]
        exact = cut["exact_tv"].to_numpy()
        found.append(Swept(arms[0], arms[1], known.logprob, exact, np.array(again)))
    return found


def table(
    frame: pl.DataFrame, arm: str, ids: Sequence[tuple[int, ...]], n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Answers and tokens written of an arm; what a rollout kept of the trace was given to it."""
    mine = frame.filter(pl.col("arm") == arm)
    answer = np.full((n, mine["draw"].max() + 1), -1)
    tokens = np.zeros(answer.shape)
    for row in mine.iter_rows(named=True):
        k, d, written = row["boundary"], row["draw"], row["token_ids"]
        given = 0
        if arm == "leave" and ids[k]:
            pairs = zip(written, ids[k], strict=False)
            given = 1 + next((i for i, (a, b) in enumerate(pairs) if a != b), len(written))
        answer[k, d], tokens[k, d] = row["answer"], max(0, len(written) - given)
    return answer, tokens


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> list[Swept]:
    """Drawn anew: a quarter of an hour on two cores."""
    results = tmp_path_factory.mktemp("results")
    line = [*LINE, f"sampling.draws={DRAWS + 8}", "run=pool", f"results={results}"]
    job(plan(line).jobs[0].run)
    return swept(results / "pool")


def test_rollouts_of_the_organism(traces: list[Swept], benchmark: object) -> None:
    found = measured([t.plainly for t in traces], [t.leaving for t in traces], benchmark)
    assert found < 0.6


def test_sentences_are_written_again_as_often_as_is_known(traces: list[Swept]) -> None:
    """Counts against p, by chi-square over the sentences where a few of either are expected."""
    n = np.concatenate([np.full(len(t.repeats), t.plain[0].shape[1]) for t in traces])
    p = np.exp(np.concatenate([t.logprob for t in traces]))
    x = np.concatenate([t.repeats for t in traces])
    some = np.minimum(n * p, n * (1 - p)) > 2
    z = ((x - n * p) ** 2 / (n * p * (1 - p)))[some]
    print(f"\n{len(x)} sentences, {x.sum()} repeats, {np.sum(n * p):.1f} expected")
    assert chi2.sf(z.sum(), some.sum()) > 0.001
