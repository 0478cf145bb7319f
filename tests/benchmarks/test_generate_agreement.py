"""Rollouts of our sampler beside those of transformers' `generate`, and coupled beside fixed.

`AGREEMENT_ORGANISM=4000 AGREEMENT_SMOLLM2=2000 pytest tests/benchmarks/test_generate_agreement.py
--benchmark-enable -o addopts="" -s` tests how answers, tokens and lengths are distributed, by
chi-square of two samples with rare values pooled; the p-values are corrected by Holm over a file's
tests of one model. `generate` gets the same prefixes, end of sequence and cap, and top_k = 0.
With AGREEMENT_KEEP=FOLDER rollouts are kept there, and an interrupted run goes on.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from scipy.stats import chi2_contingency
from transformers import logging

from harness.claims.verdict import holm
from harness.cli.checks import plan
from harness.core import Draw, Problem
from harness.engines.base import Engine, Finished, Request
from harness.engines.hf import HF
from harness.engines.stopping import Stops
from harness.evidence.recorder import Recorder, Start, start_of
from harness.models.model import Subject, subject
from harness.problems import Jsonl
from harness.run.progress import Meter
from harness.run.sampling import gather
from harness.run.traces import made
from harness.store.files import slug
from harness.text.segmentation import offsets
from tests.benchmarks.smollm2 import smollm2

ORGANISM = int(os.environ.get("AGREEMENT_ORGANISM", "400"))  # rollouts a boundary
SMOLLM2 = int(os.environ.get("AGREEMENT_SMOLLM2", "100"))
BOUNDARIES, NEW = (1, 2, 3, 4, 5), 32
HOW = ((1.0, 1.0), (0.6, 0.95))  # temperature and top-p
CHUNK, SLOTS, POOL = 500, 512, 4096
RARE = 10  # rollouts of both samples together; rarer values are counted as one
BINS = 12  # of lengths, alike in number of rollouts
ALPHA = 0.01
TOLD = "Let us think about it step by step. In April, Natalia"


@dataclass(frozen=True)
class Generate:
    """transformers' own `generate` as an engine: a call for each request, seeded as that is."""

    subject: Subject

    def sample(self, requests: Iterable[Request]) -> Iterator[Finished]:
        """The same requests; a rollout ends before its end of sequence, or at the cap."""
        logging.set_verbosity_error()
        self.subject.model.set_attn_implementation("sdpa")
        for request in requests:
            torch.manual_seed(request.seed % 2**63)
            out = self.subject.model.generate(
                torch.tensor([request.prefix]),
                attention_mask=torch.ones(1, len(request.prefix), dtype=torch.long),
                max_length=request.max_length, do_sample=True, top_k=0,
                temperature=request.temperature, top_p=request.top_p,
                num_return_sequences=len(request.draws),
                pad_token_id=min(self.subject.eos), eos_token_id=sorted(self.subject.eos),
            )  # fmt: skip
            new = out[:, len(request.prefix) :].tolist()
            ended = [self._ended(ids) for ids in new]
            reasons = tuple("length" if ids == all_ else "stop" for ids, all_ in ended)
            yield Finished(request, tuple(ids for ids, _ in ended), reasons)

    def _ended(self, ids: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The tokens before the end of sequence, and all."""
        end = next((i for i, token in enumerate(ids) if token in self.subject.eos), len(ids))
        return tuple(ids[:end]), tuple(ids)


def drawn(recorder: Recorder, engine: Engine, start: Start, draws: Sequence[Draw]) -> pl.DataFrame:
    """The rollouts as a run records them."""
    gather(recorder, engine, [(start, draws)], Meter("", None))
    return pl.read_parquet(recorder.run / "rollouts" / slug(start.owner) / "*.parquet")


def values(frame: pl.DataFrame, at: Sequence[int]) -> dict[str, list[object]]:
    """What is compared of rollouts: answers, lengths, and the tokens at some places."""
    ids = frame["token_ids"].to_list()
    tokens = {f"token {i + 1}": [t[i] if i < len(t) else None for t in ids] for i in at}
    return {"answer": frame["answer"].to_list(), "length": [len(t) for t in ids], **tokens}


def p_value(one: Sequence[object], other: Sequence[object]) -> float:
    """Chi-square of two samples of a categorical value; 1 where there is but one category."""
    counts = [Counter(one), Counter(other)]
    common = [value for value, n in (counts[0] + counts[1]).items() if n >= RARE]
    table = np.array([[count[value] for value in common] for count in counts])
    rest = np.array([[len(one)], [len(other)]]) - table.sum(axis=1, keepdims=True)
    table = np.hstack([table, rest])
    table = table[:, table.sum(axis=0) > 0]
    return float(chi2_contingency(table).pvalue) if table.shape[1] > 1 else 1.0


def binned(one: Sequence[int], other: Sequence[int]) -> tuple[list[object], list[object]]:
    """Lengths as the bins they fall into, cut where the two samples together are."""
    edges = np.unique(np.quantile([*one, *other], np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.digitize(one, edges).tolist(), np.digitize(other, edges).tolist()


def told(found: dict[str, float]) -> None:
    """Print every p-value; fails where the smallest corrected one is at most ALPHA."""
    corrected = [p for p in holm(list(found.values())) if p is not None]
    for (name, p), adjusted in zip(found.items(), corrected, strict=True):
        print(f"{name:<58} p {p:.4f}  Holm {adjusted:.3f}")
    print(f"{len(found)} tests, smallest p {min(found.values()):.4f}, Holm {min(corrected):.3f}")
    assert min(corrected) > ALPHA


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Where rollouts are kept."""
    kept = os.environ.get("AGREEMENT_KEEP")
    return Path(kept) / request.node.name if kept else tmp_path


@pytest.fixture(scope="module")
def organism(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recorder, Start]:
    """The organism as its conf has it, and its shortest trace with enough boundaries."""
    folder = tmp_path_factory.mktemp("traces")
    line = ["model=organism", "method=resampling_plain", f"results={folder}", "run=r"]
    settings = plan([*line, "problems.limit=12"]).jobs[0].run
    who, segmenter = subject(settings.model), settings.segmentation.segmenter
    sampling = replace(settings.sampling, chunk=CHUNK)
    recorder = Recorder(folder / "r", who, settings.problems, segmenter, sampling)
    engine = HF(SLOTS, POOL).start(who, Stops(who.tokenizer, who.eos, segmenter), "")
    evaluate = [p for p in settings.problems.load() if p.role == "evaluate"]
    traces, _ = made(recorder, engine, evaluate)
    long = [trace for trace in traces if len(trace.sentences) > max(BOUNDARIES) + 1]
    return recorder, start_of(min(long, key=lambda trace: len(trace.token_ids)))


Ways = dict[str, Callable[[Path, float, float], pl.DataFrame]]


def ways(recorder: Recorder, start: Start, draws: Sequence[Draw]) -> Ways:
    """Rollouts made in three ways, each from noise of its own."""
    who = recorder.subject

    def ours(place: Path, t: float, p: float, schedule: str, seed: int) -> pl.DataFrame:
        sampling = replace(recorder.sampling, temperature=t, top_p=p, schedule=schedule, seed=seed)
        engine = HF(SLOTS, POOL).start(who, Stops(who.tokenizer, who.eos, recorder.segmenter), "")
        here, found = replace(recorder, run=place, sampling=sampling), pl.DataFrame()
        while len(found) < sum(draw.n for draw in draws):  # coupled: a boundary a round
            found = drawn(here, engine, start, draws)
        return found

    def theirs(place: Path, t: float, p: float) -> pl.DataFrame:
        sampling = replace(recorder.sampling, temperature=t, top_p=p, schedule="fixed", seed=2)
        here = replace(recorder, run=place, sampling=sampling)
        return drawn(here, Generate(who), start, draws)

    return {
        "fixed": lambda place, t, p: ours(place, t, p, "fixed", 0),
        "coupled": lambda place, t, p: ours(place, t, p, "coupled", 1),
        "generate": theirs,
    }


def compared(
    place: Path, made_by: Ways, pairs: Sequence[tuple[str, str]], at: Sequence[int]
) -> dict[str, float]:
    """The p-value of each pair of ways, setting, boundary and value."""
    found: dict[str, float] = {}
    for t, p in HOW:
        names = sorted({name for pair in pairs for name in pair})
        frames = {name: made_by[name](place / f"{name}-{t}", t, p) for name in names}
        for name, frame in frames.items():
            alike = frame["token_ids"].n_unique()
            print(f"T={t} top-p={p} {name}: {len(frame):,} rollouts, {alike:,} different texts")
        for a, b in pairs:
            for boundary in sorted(frames[a]["boundary"].unique()):
                mine, other = (values(frames[w].filter(boundary=boundary), at) for w in (a, b))
                key = f"T={t} top-p={p} {a} ~ {b}, boundary {boundary}"
                mine["length"], other["length"] = binned(mine["length"], other["length"])
                found |= {f"{key}, {name}": p_value(mine[name], other[name]) for name in mine}
    return found


def test_rollouts_of_the_organism(
    organism: tuple[Recorder, Start], place: Path, benchmark: object
) -> None:
    draws = [Draw(k, ORGANISM) for k in BOUNDARIES]
    pairs = [("fixed", "generate"), ("coupled", "fixed")]
    given = (place, ways(*organism, draws), pairs, (0,))
    told(benchmark.pedantic(compared, args=given, rounds=1, iterations=1))


def test_continuations_of_smollm2(
    organism: tuple[Recorder, Start], place: Path, benchmark: object
) -> None:
    pytest.importorskip("gguf")
    who, problems = smollm2(), Jsonl("q", "", None, 0, None, "", "")
    problem = Problem("p", "How many clips did Natalia sell in May?", "24", None, "", "evaluate")
    ids = who.encode(TOLD)
    start = Start("t", problem, who.prompt_ids(problem, ""), ids, (0, len(ids)))
    sampling = replace(organism[0].sampling, max_tokens=256, chunk=50)
    recorder = Recorder(place, who, problems, offsets, sampling)
    made_by = ways(recorder, start, [Draw(1, SMOLLM2, most=NEW)])
    given = (place, made_by, [("fixed", "generate")], (0, 1, NEW // 2 - 1, NEW - 1))
    told(benchmark.pedantic(compared, args=given, rounds=1, iterations=1))


@pytest.mark.parametrize("shift", [0.0, 0.1])
def test_the_test_sees_a_difference_and_only_that(shift: float) -> None:
    rng = np.random.default_rng(0)
    one, other = (rng.choice(3, 4000, p=(0.5 - s, 0.3 + s, 0.2)) for s in (0, shift))
    assert (p_value(one.tolist(), other.tolist()) < ALPHA) == bool(shift)
