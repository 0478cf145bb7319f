"""Tokens at which coupled boundaries reach the mean squared error of draws at each boundary alone.

`pytest tests/benchmarks/test_adaptive_bench.py --benchmark-enable -o addopts="" -s`. Plays
sampling again from rollouts that are there: those of a self-test in results/selftest, where the
exact total variation of every sentence is known, and those of a simulated chain of sentences.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.stats import rankdata

from harness.coupling import passed
from harness.divergence import Contrast
from harness.store import slug

RUN = Path(__file__).parents[2] / "results" / "selftest"
DRAWS, TIMES, STRETCH = 40, 6, 8
SIZES = (16, 24, 32, 40)


@dataclass(frozen=True, eq=False)
class Swept:
    """Rollouts of one trace: by boundary and draw the answer, tokens, and boundaries passed."""

    answer: np.ndarray
    tokens: np.ndarray
    last: np.ndarray
    exact: np.ndarray


def stored() -> Iterator[Swept]:
    """The traces of the self-test whose truth is known."""
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
    return max((k for k, _ in passed(stops, ids, boundary, written, len(stops))), default=boundary)


def simulated(rng: np.random.Generator, sentences: int, draws: int) -> Swept:
    """A trace whose sentences are written again with some probability, else lead elsewhere.

    Behind another sentence the answers are as behind the trace's own, but for one in five.
    """
    repeat, n = rng.uniform(0, 0.6, sentences), sentences + 1
    behind, apart = np.eye(5)[0], list[np.ndarray]()
    exact = np.zeros(sentences)
    for k in reversed(range(sentences)):
        anchor = rng.random() < 0.2
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


def played(swept: Swept, draws: int, stretch: int, rng: np.random.Generator) -> tuple[float, int]:
    """Mean squared error of the total variation above its floor, and the tokens it took."""
    n, size = swept.answer.shape
    order = rng.permuted(np.tile(np.arange(size), (n, 1)), axis=1)
    answers, same = np.zeros((n, draws), int), np.zeros((n, draws), bool)
    reach, tokens = np.full(draws, -1), 0
    for k in range(n):
        same[k] = (reach >= k) & (k % stretch > 0)
        new = order[k, : (~same[k]).sum()]
        answers[k] = answers[k - 1]
        answers[k, ~same[k]], reach[~same[k]] = swept.answer[k, new], swept.last[k, new]
        tokens += int(swept.tokens[k, new].sum())
    width = swept.answer.max() + 1
    counts = np.array([np.bincount(row, minlength=width) for row in answers])
    pairs = zip(answers[1:], same[1:], strict=True)
    both = np.array([np.bincount(row[mask], minlength=width) for row, mask in pairs])
    contrast = Contrast("tv", 1.0, subtract_floor=True, floor_draws=60)
    score = contrast.score(counts[:-1], counts[1:], rng, both).score
    return float(((score - swept.exact) ** 2).mean()), tokens


def over(traces: Sequence[Swept], draws: int, stretch: int) -> tuple[float, float]:
    """Mean squared error and tokens of a trace, means over traces and repetitions."""
    rng = np.random.default_rng(0)
    every = [played(t, draws, stretch, rng) for t in traces for _ in range(TIMES)]
    return tuple(np.mean(every, axis=0).tolist())


def compared(traces: Sequence[Swept]) -> dict[str, float]:
    """Tokens of coupled boundaries at the error of `DRAWS` draws at each alone, as a share."""
    error, tokens = over(traces, DRAWS, 1)
    print(f"alone   {DRAWS} draws  mean squared error {error:.5f}  tokens {tokens:.0f}")
    found = [over(traces, draws, STRETCH) for draws in SIZES]
    for draws, (squared, spent) in zip(SIZES, found, strict=True):
        print(f"coupled {draws} draws  mean squared error {squared:.5f}  tokens {spent:.0f}")
    errors, spent = np.array(found).T
    share = float(np.interp(1 / error, 1 / errors, spent)) / tokens
    print(f"tokens at the same error: {share:.2f}")
    return {"share": share}


def test_stored_rollouts_of_the_organism(benchmark: object) -> None:
    if not (RUN / "rollouts").exists():
        pytest.skip("needs results/selftest: python -m harness.selftest")
    found = benchmark.pedantic(compared, args=(list(stored()),), rounds=1, iterations=1)
    benchmark.extra_info |= found
    assert found["share"] < 0.75


def test_simulated_answers(benchmark: object) -> None:
    rng = np.random.default_rng(1)
    traces = [simulated(rng, 30, DRAWS) for _ in range(12)]
    found = benchmark.pedantic(compared, args=(traces,), rounds=1, iterations=1)
    benchmark.extra_info |= found
    assert found["share"] < 0.75
