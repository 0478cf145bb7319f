"""Tokens at which a way of drawing reaches the squared error of 40 plain draws at each boundary.

`pytest tests/benchmarks/test_schedules_bench.py --benchmark-enable -o addopts="" -s`. Plays every
estimator and schedule in simulated chains, in chains like published rollouts, in the rollouts of
results/reference and behind fresh traces of the organism, whose exact answers are known.
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from harness import Depart
from harness.analysis.replay.playing import Settings, halves
from harness.analysis.replay.table import compared, shown
from harness.analysis.replay.world import World, worlds
from harness.cli.checks import plan
from harness.engines.hf import HF
from harness.engines.stopping import Stops
from harness.evidence.draws.departures import departures
from harness.evidence.recorder import Recorder
from harness.models.model import subject
from harness.organism import checkpoints
from harness.organism.parser import parse
from harness.organism.puzzles import read
from harness.organism.truth import answers
from harness.problems.roles import by_role
from harness.run import traces
from harness.run.growth import stored
from harness.run.progress import console
from harness.run.settings import RunSettings
from harness.statistics.mixtures import averaged, mixture
from harness.store.traces import load

RUN = Path(__file__).parents[2] / "results" / "reference"
DATA = Path(os.environ.get("ANCHOR_HARNESS_DATA", Path(__file__).parents[3] / "shared" / "data"))
PUBLISHED = DATA / "thought_anchors_20"
DRAWS, PILOT, HOW = 40, 10, Settings(stretch=8, pilot=10)
STEP = 30  # tokens of a simulated sentence


def chain(repeat: np.ndarray, apart: np.ndarray, right: Sequence[bool]) -> World:
    """Sentences of equal length; half of the one that is left is kept."""
    n = len(repeat)
    kept = np.append(np.full(n, STEP / 2), 0)
    left, sizes = STEP * np.arange(n + 1.0, 0, -1), np.full(n, float(STEP))
    return World(np.log(repeat), apart, np.array(right), left, kept, sizes)


def simulated(rng: np.random.Generator, sentences: int, end: float) -> World:
    """Behind another sentence the answers are as behind the trace's own, but for one in five.

    From the share `end` of the sentences on for none: there the answer is decided.
    """
    repeat, behind, apart = rng.uniform(0, 0.6, sentences), np.eye(5)[0], [np.eye(5)[0]]
    for k in reversed(range(sentences)):
        anchor = rng.random() < 0.2 and k < end * sentences
        apart.insert(0, rng.dirichlet(np.full(5, 0.5)) if anchor else behind)
        behind = repeat[k] * behind + (1 - repeat[k]) * apart[0]
    return chain(repeat, np.array(apart), [True, *[False] * 4])


def like_published(rng: np.random.Generator) -> Iterator[World]:
    """The published accuracies of twenty traces; how often their rollouts repeat a sentence.

    That is known of four of them, and drawn from these for all.
    """
    rates = []
    for file in sorted(PUBLISHED.rglob("chunks_resampled.json")):
        chunks = json.loads((file.parent / "chunks_labeled.json").read_text())
        redrawn = json.loads(file.read_text())
        for chunk in chunks:
            texts = redrawn.get(str(chunk["chunk_idx"])) or []
            own = chunk["chunk"].strip()
            rates += [np.mean([text.strip() == own for text in texts])] if texts else []
    for file in sorted(PUBLISHED.rglob("chunks_labeled.json")):
        accuracy = np.array([float(c["accuracy"]) for c in json.loads(file.read_text())])
        repeat = rng.choice(rates, len(accuracy) - 1).clip(1e-9, 1 - 1e-9)
        right = [accuracy[-1]]
        for p, now, after in zip(repeat[::-1], accuracy[-2::-1], accuracy[:0:-1], strict=True):
            right.insert(0, float(np.clip((now - p * after) / (1 - p), 0, 1)))
        both = np.stack([np.array(right), 1 - np.array(right)], axis=1)
        yield chain(repeat, both, [True, False])


def measured(made: Sequence[World], times: int, benchmark: object) -> dict[str, float]:
    """The shares of tokens, printed and noted."""
    args = (made, DRAWS, HOW, times)
    found = benchmark.pedantic(compared, args=args, rounds=1, iterations=1)
    console.print(shown(found, len(made)))
    print(found)
    shares = {f"{row['estimator']} {row['schedule']}": row["share_error"]
              for row in found.iter_rows(named=True)}  # fmt: skip
    benchmark.extra_info |= shares
    return shares


@pytest.mark.parametrize("end", [1.0, 0.5])
def test_simulated_chains(end: float, benchmark: object) -> None:
    rng = np.random.default_rng(1)
    found = measured([simulated(rng, 30, end) for _ in range(48)], 3, benchmark)
    assert found["exact fixed"] < 0.43
    assert found["exact allocated"] <= 0.38
    assert found["plain coupled"] < 0.65


@pytest.mark.skipif(not PUBLISHED.exists(), reason="needs shared/data/thought_anchors_20")
def test_chains_like_published_ones(benchmark: object) -> None:
    made = list(like_published(np.random.default_rng(2)))
    rate = np.exp(np.concatenate([w.logprob for w in made])).mean()
    print(f"\n{len(made)} traces, mean repeat rate {rate:.3f}")
    found = measured(made, 1, benchmark)
    assert found["exact allocated"] <= 0.73


def test_recorded_rollouts_of_the_organism(benchmark: object) -> None:
    found = measured(list(worlds(RUN, load(RUN, stored(RUN)))), 3, benchmark)
    assert found["exact allocated"] <= 0.45


@pytest.mark.parametrize("p", [0.9, 0.95, 0.97])
def test_what_allotment_biases(p: float) -> None:
    """Two answers everywhere, 100 draws, and at one boundary in three nobody leaves."""
    logprob = np.log([0.2, 1.0, 0.6, 0.2, 1.0, 0.6])
    apart = np.tile([p, 1 - p], (7, 1))
    tokens = np.full(7, 30.0)
    given = World(logprob, apart, np.array([True, False]), tokens, np.zeros(7), np.full(6, 30.0))
    rng, times = np.random.default_rng(0), 20_000
    mean, number = np.zeros(7), 0.0
    for _ in range(times):
        parts = halves(given, 100, PILOT, rng)
        mean += averaged([mixture(each, logprob) for each in parts]).p[:, 0] / times
        number += np.sum(parts) / times
    print(f"\np {p}: bias {np.abs(mean - p).max():.5f} at the most, {number:.0f} draws of 500")
    assert np.abs(mean - p).max() < 0.002


@pytest.mark.parametrize("seed", [101, 102])
def test_fresh_traces_of_the_organism(seed: int, tmp_path: Path, benchmark: object) -> None:
    """The answers that are exact, and how often the model itself writes a sentence again."""
    line = ["problems.limit=40", f"sampling.seed={seed}", f"results={tmp_path}"]
    made = list(exact_worlds(plan(line).jobs[0].run, tmp_path))
    found = measured(made, 3, benchmark)
    assert found["exact allocated"] <= 0.45


def exact_worlds(run: RunSettings, folder: Path) -> Iterator[World]:
    """Those of new traces; as long to the end as the trace itself goes on."""
    who, segmenter, sampling = subject(run.model), run.segmentation.segmenter, run.sampling
    recorder = Recorder(folder, who, run.problems, segmenter, sampling)
    engine = HF(256, pool=64 * 256).start(who, Stops(who.tokenizer, who.eos, segmenter), "")
    asked = by_role(run.problems.load()).evaluate
    known = checkpoints.known(Path(who.path))
    for trace in traces.write(recorder, engine, asked, run.labels):
        puzzle = read(trace.problem.question)
        steps = parse(puzzle, trace.text)
        if steps is None or [s.text for s in steps] != [s.text for s in trace.sentences]:
            continue
        states = [steps[0].before, *(step.option.after for step in steps)]
        exact = np.array([answers(puzzle, state, known) for state in states])
        how = (sampling.temperature, sampling.top_p)
        logprob = departures(who, trace, Depart("leave", 1), how, 0).logprob
        apart, p = [exact[-1]], np.exp(logprob)
        for k in reversed(range(len(steps))):  # what leaves, if the model is as it should be
            left = exact[k] - p[k] * exact[k + 1] if p[k] < 1 else exact[k]
            apart.insert(0, left.clip(0) / left.clip(0).sum())
        starts = np.array([trace.sentences[0].start, *(s.stop for s in trace.sentences)])
        written = len(trace.token_ids) - starts.astype(float)
        sizes = np.diff(starts).astype(float)
        kept = np.append(sizes / 2, 0)
        right = np.arange(10) == puzzle.answer
        yield World(logprob, np.array(apart), right, written, kept, sizes)
