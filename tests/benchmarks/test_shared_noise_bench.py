"""How far rollouts of neighbouring boundaries vary together where they share their noise.

`pytest tests/benchmarks/test_shared_noise_bench.py --benchmark-enable -o addopts="" -s`, with
OMP_NUM_THREADS=1; the organism (`-k organism`) takes five minutes, SmolLM2 over an hour, and its
numbers are told after each trace. BOUNDARIES=40 pairs of neighbours a model and DRAWS=40 rollouts
at each boundary are the defaults, temperature and top-p those of the model's own conf (1 and 1; .6
and .95). `shared_noise.py` says what noise is shared. Sentences of the noise end at . ? ! before
white space, or at a newline, not before 10 characters. Rollouts end with the first answer, the end
of sequence, or 150 new tokens; without an answer they count as one answer more.
The ratio is the variance of the difference of what rollouts of equal number at neighbouring
boundaries answer, over the sum of both variances: 1 = sharing does nothing, 0 = no noise is left.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from transformers import AttentionInterface

from harness.claims.verdict import holm
from harness.cli.checks import plan
from harness.core import NO_ANSWER
from harness.models.model import subject
from harness.problems.roles import by_role
from harness.text.segmentation import offsets, reasoning_span, sentences
from tests.benchmarks.shared_noise import Scene, grouped, independent, shared
from tests.benchmarks.smollm2 import smollm2
from tests.benchmarks.test_generate_agreement import binned, p_value

BOUNDARIES = int(os.environ.get("BOUNDARIES", "40"))  # pairs of neighbours
DRAWS = int(os.environ.get("DRAWS", "40"))  # rollouts a boundary
PILOT, EVERY = 16, 4  # rollouts that look for a trace; boundaries to one that is compared
MOST = {"organism": 99, "smollm2": 6}  # boundaries of a trace
TIMES, ALPHA = 2000, 0.01  # of the bootstrap; of the checks, Holm's correction applied

Pair = tuple[float, float]  # variance of the difference, shared and independent


@dataclass(frozen=True)
class Text:
    """A trace: `cuts` are the first tokens of its sentences as long as nothing is answered."""

    name: str
    prompt: tuple[int, ...]
    ids: list[int]
    cuts: list[int]
    answer: str


def texts(scene: Scene) -> Iterator[Text]:
    """Of each problem the first of the pilot's rollouts that give the answer most often given."""
    who = scene.who
    for problem in by_role(scene.run.problems.load()).evaluate:
        prompt = who.prompt_ids(problem, scene.run.problems.instruction)
        noise = partial(independent, "pilot", problem.id)
        pilot = [(scene.answer(i), i) for i in scene.rollouts(prompt, [], PILOT, noise)]
        given = Counter(answer for answer, _ in pilot if answer != NO_ANSWER)
        if not given:
            continue
        answer = given.most_common(1)[0][0]
        ids = next(ids for found, ids in pilot if found == answer)
        text, starts = who.decode(ids), who.starts(ids)
        span = reasoning_span(text, who.conf.open_tag, who.conf.close_tag)
        cuts = [s.start for s in sentences(text, starts, span, offsets)]
        cuts = [cut for cut in cuts if scene.answer(ids[:cut]) == NO_ANSWER]
        if len(cuts) > 1:
            yield Text(problem.id, prompt, ids, cuts, answer)


def variances(one: Sequence[str], other: Sequence[str], values: Sequence[str]) -> Pair:
    """Of indicators of some answers, summed: of their difference, and of each."""
    x, y = (np.array([[a == v for v in values] for a in each], float) for each in (one, other))
    return float((x - y).var(0, ddof=1).sum()), float((x.var(0, ddof=1) + y.var(0, ddof=1)).sum())


def ratios(pairs: Sequence[Pair]) -> tuple[float, float]:
    """The mean ratio of pairs with any variance, and the ratio of the sums."""
    kept = np.array([pair for pair in pairs if pair[1] > 0]).reshape(-1, 2)
    if not len(kept):
        return float("nan"), float("nan")
    return float((kept[:, 0] / kept[:, 1]).mean()), float(kept[:, 0].sum() / kept[:, 1].sum())


def told(name: str, by_text: Sequence[Sequence[Pair]]) -> tuple[float, float]:
    """Print both ratios with intervals of 95 %, by a bootstrap over traces; returns them."""
    rng, n = np.random.default_rng(0), len(by_text)
    again = [ratios([p for i in rng.integers(0, n, n) for p in by_text[i]]) for _ in range(TIMES)]
    low, high = np.nanpercentile(again, [2.5, 97.5], axis=0)
    pairs = list(chain.from_iterable(by_text))
    found, kept = ratios(pairs), sum(pair[1] > 0 for pair in pairs)
    mean, total = (f"{v:.2f} [{a:.2f}, {b:.2f}]" for v, a, b in zip(found, low, high, strict=True))
    print(f"{name:<34} mean ratio {mean}, ratio of sums {total}; {kept} pairs, {n} traces")
    return found


@dataclass
class Found:
    """By trace: pairs of the trace's own answer, of all, of all paired at random; and checks."""

    own: list[list[Pair]] = field(default_factory=list)
    every: list[list[Pair]] = field(default_factory=list)
    random: list[list[Pair]] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    alike: list[float] = field(default_factory=list)
    shares: list[tuple[float, float]] = field(default_factory=list)

    def add(self, scene: Scene, text: Text, cuts: Sequence[int]) -> None:
        """Rollouts at some boundaries in a row; with independent noise, too, at one in EVERY."""
        answers = list[list[str]]()
        for n, cut in enumerate(cuts):
            before = text.ids[:cut]
            noise = partial(shared, text.name)
            new = scene.rollouts(text.prompt, before, DRAWS, noise)
            answers.append([scene.answer([*before, *ids]) for ids in new])
            self.first.append(scene.first(text.prompt, before, noise))
            if n % EVERY == 0:
                apart = partial(independent, text.name, cut)
                other = scene.rollouts(text.prompt, before, DRAWS, apart)
                self._compare(text, answers[-1], [scene.answer([*before, *ids]) for ids in other])
                self.alike.append(p_value(*binned(list(map(len, new)), list(map(len, other)))))
        near = list(pairwise(answers))
        self.own.append([variances(a, b, [text.answer]) for a, b in near])
        self.every.append([variances(a, b, sorted({*a, *b})) for a, b in near])
        apart = [(a, b[1:] + b[:1]) for a, b in near]
        self.random.append([variances(a, b, sorted({*a, *b})) for a, b in apart])

    def _compare(self, text: Text, one: list[str], other: list[str]) -> None:
        self.alike.append(p_value(one, other))
        shares = [each.count(text.answer) / len(each) for each in (one, other)]
        self.shares.append((shares[0], shares[1]))


def measured(scene: Scene, name: str) -> Found:
    """Of each trace boundaries from its middle, at most as many as MOST says; told as it goes."""
    found, left, since = Found(), BOUNDARIES, time.perf_counter()
    for text in texts(scene):
        most = min(MOST[name], left + 1)
        skip = max(0, len(text.cuts) - most) // 2
        cuts = text.cuts[skip : skip + most]
        found.add(scene, text, cuts)
        left -= len(cuts) - 1
        taken = time.perf_counter() - since
        print(f"\n{text.name}: {len(cuts)} boundaries, {scene.written:,} tokens, {taken:.0f} s")
        reported(name, found)
        if left <= 0:
            break
    return found


def reported(name: str, found: Found) -> tuple[float, float, float]:
    """Print it; the ratio of all answers, the same at random, and the checks' least p."""
    told(f"{name}, the trace's own answer", found.own)
    _, total = told(f"{name}, all answers", found.every)
    _, none = told(f"{name}, all, paired at random", found.random)
    mine, other = np.mean(found.shares, axis=0)
    checks = {"first tokens": holm(found.first), "answers and lengths": holm(found.alike)}
    least = {check: min(p for p in ps if p is not None) for check, ps in checks.items()}
    sizes = f"{len(found.first)} and {len(found.alike)} tests"
    print(
        f"own answer: {mine:.3f} shared, {other:.3f} independent; {sizes}, least p, Holm: {least}"
    )
    return total, none, min(least.values())


def scene_of(name: str, results: Path) -> Scene:
    line = ["model=organism"] if name == "organism" else ["+experiment=demo-smollm2"]
    run = plan([*line, f"results={results}"]).jobs[0].run
    who = subject(run.model) if name == "organism" else smollm2()
    AttentionInterface.register("grouped", grouped)
    who.model.set_attn_implementation("grouped")
    return Scene(who, run)


@pytest.mark.parametrize("name", ["organism", "smollm2"])
def test_neighbours_that_share_noise(
    name: str, tmp_path: Path, benchmark: object, pytestconfig: pytest.Config
) -> None:
    if not pytestconfig.getoption("benchmark_enable"):
        pytest.skip("needs --benchmark-enable")
    pytest.importorskip("gguf")
    args = (scene_of(name, tmp_path), name)
    total, none, p = reported(name, benchmark.pedantic(measured, args=args, rounds=1, iterations=1))
    assert p > ALPHA
    assert abs(none - 1) < 0.15
    if name == "organism":
        assert total < 0.8
