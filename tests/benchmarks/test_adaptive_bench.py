"""Tokens at which sharing schedules reach the mean squared error of draws at each boundary alone.

`pytest tests/benchmarks/test_adaptive_bench.py --benchmark-enable -o addopts="" -s`. Plays
sampling again from rollouts that are there: those of the organism in results/reference, where the
exact total variation of every sentence is known, and those of simulated chains of sentences, one
with an answer that is decided on the way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import rankdata

from harness.evidence.schedule import boundaries_reached
from harness.statistics.distances import Contrast
from harness.store.files import slug

RUN = Path(__file__).parents[2] / "results" / "reference"
DRAWS, TIMES, STRETCH, SETTLED = 40, 6, 8, 10
SIZES = (16, 24, 32, 40, 48)


@dataclass(frozen=True, eq=False)
class Swept:
    """Rollouts of one trace: by boundary and draw the answer, tokens, and boundaries passed."""

    answer: np.ndarray
    tokens: np.ndarray
    last: np.ndarray
    exact: np.ndarray


def stored() -> Iterator[Swept]:
    """The traces of the reference run whose truth is known."""
    traces = pl.read_parquet(RUN / "traces.parquet", columns=["trace_id", "token_ids"])
    sentences = pl.read_parquet(RUN / "sentences.parquet").sort("trace_id", "sentence")
    for trace, ids in traces.iter_rows():
        cut = sentences.filter(pl.col("trace_id") == trace)
        stops = [cut["start"][0], *cut["stop"]]
        frame = pl.read_parquet(RUN / "rollouts" / slug(trace) / "*.parquet")
        frame = frame.filter(pl.col("arm") == "resample").sort("boundary", "draw")
        if cut["exact_tv"].is_nan().any() or cut["exact_tv"].null_count():
            continue
        shape = (len(stops), len(frame) // len(stops))
        rows = zip(frame["boundary"], frame["token_ids"], strict=True)
        reach = [last(stops, ids, k, written) for k, written in rows]
        yield Swept(
            rankdata(frame["answer"].to_list(), "dense").astype(int).reshape(shape) - 1,
            frame["n_tokens"].to_numpy().reshape(shape),
            np.array(reach).reshape(shape),
            cut["exact_tv"].to_numpy(),
        )


def last(stops: Sequence[int], ids: Sequence[int], boundary: int, written: Sequence[int]) -> int:
    """The last boundary that a rollout reaches in the trace's own words."""
    return max(
        (k for k, _ in boundaries_reached(stops, ids, boundary, written, len(stops))),
        default=boundary,
    )


def simulated(rng: np.random.Generator, sentences: int, draws: int, end: float) -> Swept:
    """A trace whose sentences are written again with some probability, else lead elsewhere.

    Behind another sentence the answers are as behind the trace's own, but for one in five, and from
    the share `end` of the sentences on for none: there the answer is decided.
    """
    repeat, n = rng.uniform(0, 0.6, sentences), sentences + 1
    behind, apart = np.eye(5)[0], list[np.ndarray]()
    exact = np.zeros(sentences)
    for k in reversed(range(sentences)):
        anchor = rng.random() < 0.2 and k < end * sentences
        apart.insert(0, rng.dirichlet(np.full(5, 0.5)) if anchor else behind)
        exact[k] = (1 - repeat[k]) * np.abs(apart[0] - behind).sum() / 2
        behind = repeat[k] * behind + (1 - repeat[k]) * apart[0]
    answer, reach = np.zeros((n, draws), int), np.zeros((n, draws), int)
    for k in range(n):
        left = rng.random((draws, n - k)) >= np.append(repeat[k:], 0)
        reach[k] = k + left.argmax(axis=1)
        for d in np.flatnonzero(reach[k] < sentences):
            answer[k, d] = rng.choice(5, p=apart[reach[k, d]])
    tokens = np.repeat((np.arange(n, 0, -1) * 30)[:, None], draws, axis=1)
    return Swept(answer, tokens, reach, exact)


@dataclass(frozen=True)
class Schedule:
    """How many boundaries in a row share rollouts, and after how many of one answer to stop."""

    stretch: int
    settled: int


SCHEDULES = {
    "coupled": Schedule(STRETCH, DRAWS),
    "adaptive": Schedule(STRETCH, SETTLED),
    "settled alone": Schedule(1, SETTLED),
}


def played(
    swept: Swept, draws: int, schedule: Schedule, rng: np.random.Generator
) -> tuple[float, int]:
    """Mean squared error of the total variation above its floor, and the tokens it took."""
    n, size = swept.answer.shape
    order = rng.permuted(np.tile(np.arange(size), (n, 1)), axis=1)
    answers, same = np.full((n, draws), -1), np.zeros((n, draws), bool)
    reach, tokens = np.full(draws, -1), 0
    for k in range(n):
        same[k] = (reach >= k) & (k % schedule.stretch > 0)
        answers[k, same[k]] = answers[k - 1, same[k]]
        reach[~same[k]] = -1
        first, made = np.arange(draws) < schedule.settled, 0
        for part in (first, ~first):
            slots = np.flatnonzero(part & (answers[k] < 0))
            new = order[k, made : made + len(slots)]
            answers[k, slots], reach[slots] = swept.answer[k, new], swept.last[k, new]
            tokens, made = tokens + int(swept.tokens[k, new].sum()), made + len(slots)
            if len(np.unique(answers[k, first])) == 1:
                break
    width = swept.answer.max() + 1
    counts = np.array([np.bincount(row[row >= 0], minlength=width) for row in answers])
    pairs = zip(answers[1:], same[1:], strict=True)
    both = np.array([np.bincount(row[mask], minlength=width) for row, mask in pairs])
    contrast = Contrast("tv", 1.0, subtract_floor=True, floor_draws=60)
    score = contrast.score(counts[:-1], counts[1:], rng, both).score
    return float(((score - swept.exact) ** 2).mean()), tokens


def over(traces: Sequence[Swept], draws: int, schedule: Schedule) -> tuple[float, float]:
    """Mean squared error and tokens of a trace, means over traces and repetitions."""
    rng = np.random.default_rng(0)
    every = [played(t, draws, schedule, rng) for t in traces for _ in range(TIMES)]
    return tuple(np.mean(every, axis=0).tolist())


def compared(traces: Sequence[Swept]) -> dict[str, float]:
    """Tokens of each schedule at the error of `DRAWS` draws at each boundary alone, as a share."""
    error, tokens = over(traces, DRAWS, Schedule(1, DRAWS))
    print(f"alone {DRAWS} draws  mean squared error {error:.5f}  tokens {tokens:.0f}")
    shares = {}
    for name, schedule in SCHEDULES.items():
        found = [over(traces, draws, schedule) for draws in SIZES]
        errors, spent = np.array(found).T
        shares[name] = float(np.interp(1 / error, 1 / errors, spent)) / tokens
        print(f"{name}: errors {errors.round(5)} tokens {(spent / tokens).round(2)}")
    print({name: f"{share:.3f} of the tokens" for name, share in shares.items()})
    return shares


def measured(traces: Sequence[Swept], benchmark: object) -> dict[str, float]:
    """The shares, noted."""
    found = benchmark.pedantic(compared, args=(traces,), rounds=1, iterations=1)
    benchmark.extra_info |= found
    return found


def test_stored_rollouts_of_the_organism(benchmark: object) -> None:
    found = measured(list(stored()), benchmark)
    assert max(found["coupled"], found["adaptive"]) < 0.6


@pytest.mark.parametrize("end", [1.0, 0.5])
def test_simulated_answers(end: float, benchmark: object) -> None:
    rng = np.random.default_rng(1)
    found = measured([simulated(rng, 30, SIZES[-1], end) for _ in range(48)], benchmark)
    assert found["adaptive"] < (0.5 if end < 1 else 0.65)


@pytest.mark.parametrize("p", [0.9, 0.95, 0.99])
def test_what_settling_biases(p: float) -> None:
    """The probability of the likelier of two answers, and the total variation of equal boundaries.

    The first is known exactly: with s draws of n settled, p^s (1 - p) (n - s) / n more, less what
    the other answer gains in the same way.
    """
    rng, settled, draws, times = np.random.default_rng(0), 25, 100, 200_000
    first, rest = (rng.binomial(n, p, (2, times)) for n in (settled, draws - settled))
    plain = (first + rest) / draws
    early = np.where(first == settled, 1.0, np.where(first == 0, 0.0, plain))
    gain = p**settled * (1 - p) - (1 - p) ** settled * p
    bias = gain * (draws - settled) / draws
    apart = [np.abs(each[0] - each[1]).mean() for each in (plain, early)]
    print(f"\np {p}: adaptive {early.mean() - p:+.4f}; null TV {apart[0]:.3f} -> {apart[1]:.3f}")
    np.testing.assert_allclose(early.mean() - p, bias, atol=5e-4)
