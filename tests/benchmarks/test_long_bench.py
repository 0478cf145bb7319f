"""Long traces, to 16,384 tokens in 400 sentences: what grows with them grows no faster.

`pytest tests/benchmarks/test_long_bench.py --benchmark-enable -o addopts="" -s`. A tiny model of
random weights: memory of a reading with how sentences are left, the file of four short rollouts
at each boundary, and the page without matrices. A doubled trace may take 2.3 times as much.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from harness import Depart, Problem, Sentence, Trace
from harness.core import Evidence, Read
from harness.engines.base import Request
from harness.engines.hf import HF
from harness.engines.stopping import Stops
from harness.evidence.draws.departures import departures
from harness.evidence.passes import gathered
from harness.models.model import Subject
from harness.report.page import render
from harness.store import schema
from harness.store.files import add_part, rows
from harness.text.segmentation import offsets
from tests.benchmarks import test_page_bench as pages
from tests.conftest import tokenizer
from tests.harness.forked import started
from tests.harness.models import slow

TOKENS, SENTENCES = (4096, 8192, 16384), (100, 200, 400)
PROMPT = tuple(3 + i % 10 for i in range(32))
MOST = 2.3


@pytest.fixture(scope="module")
def who(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    if request.config.getoption("benchmark_disable"):
        pytest.skip("measures only: make bench")
    return model(tmp_path_factory.mktemp("long"))


def model(folder: Path) -> Subject:
    """The same weights wherever it is made."""
    torch.manual_seed(0)
    words = tokenizer()
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": len(words)}
    config = LlamaConfig(**shape, **heads, max_position_embeddings=20_000)
    made = LlamaForCausalLM(config).eval()
    made.save_pretrained(folder)
    words.save_pretrained(folder)
    return slow.subject_of(slow.conf(folder), made)


def trace_of(tokens: int, sentences: int, vocabulary: int) -> Trace:
    ids = tuple(np.random.default_rng(0).integers(3, vocabulary, tokens).tolist())
    stops = np.linspace(0, tokens, sentences + 1).astype(int).tolist()
    spans = tuple(Sentence("", a, b, None) for a, b in pairwise(stops))
    problem = Problem("p", "q", "a", None, "s", "evaluate")
    return Trace("t", problem, "m", "r", 0, PROMPT, ids, "", spans, "", False, "", "")


@dataclass(frozen=True)
class Peak:
    """MiB of resident memory above what was there."""

    before: float

    def now(self) -> float:
        return resident("VmHWM") - self.before


def resident(name: str) -> float:
    found = Path("/proc/self/status").read_text().split(f"{name}:")[1].split()[0]
    return int(found) / 1024


def forget() -> Peak:
    Path("/proc/self/clear_refs").write_text("5")
    return Peak(resident("VmRSS"))


def grows(name: str, found: list[float]) -> None:
    """Print the sizes and how they grow; fails where one grows faster than the trace."""
    ratios = np.array(found[1:]) / np.array(found[:-1])
    print(f"\n{name}: {np.round(found, 2)} at {TOKENS} tokens, ratios {ratios.round(2)}")
    assert (ratios < MOST).all()


def read(folder: Path, tokens: int, sentences: int) -> None:
    """Read a trace, after a short one: the MiB kept and held at the most, into a file."""
    who = model(folder)
    for n, parts in ((256, 8), (tokens, sentences)):
        trace = trace_of(n, parts, who.model.config.vocab_size)
        peak = forget()
        wanted = [Read(entropy=True, logprob=True, states=(0,), sampled=True)]
        have = gathered(who, trace, Evidence(1, "", ()), wanted, (0.6, 0.95))
        left = departures(who, trace, Depart("leave", 4), (0.6, 0.95), 0)
        most = peak.now()
        kept = [have.reading.entropy, have.reading.logprob, *have.reading.states.values()]
        whole = (sum(a.nbytes for a in kept) + left.logprob.nbytes) / 2**20
    (folder / "found").write_text(f"{whole} {most}")


def test_memory_of_readings(who: Subject, tmp_path: Path) -> None:
    """Each size in a process of its own: what one has freed is no room for another."""
    found = list[list[float]]()
    for tokens, sentences in zip(TOKENS, SENTENCES, strict=True):
        folder = tmp_path / str(tokens)
        folder.mkdir()
        process = started(read, folder, tokens, sentences)
        process.join()
        assert process.exitcode == 0
        found.append([*map(float, (folder / "found").read_text().split())])
    held, peaks = zip(*found, strict=True)
    grows("MiB kept of a reading", list(held))
    grows("MiB at the most while reading", list(peaks))


def test_the_file_of_short_rollouts(who: Subject, tmp_path: Path) -> None:
    found, stops = list[float](), Stops(who.tokenizer, who.eos, offsets)
    for tokens, sentences in zip(TOKENS, SENTENCES, strict=True):
        trace = trace_of(tokens, sentences, who.model.config.vocab_size)
        base = (*trace.prompt_ids, *trace.token_ids)
        cuts = [len(PROMPT), *(len(PROMPT) + s.stop for s in trace.sentences)]
        asked = [
            Request((str(c),), base, c, (), (0, 1, 2, 3), c, "end", c + 16, 1.0, 1.0) for c in cuts
        ]
        engine, written = HF(64, 40_000).start(who, stops, ""), []
        for done in engine.sample(asked):
            cells = {"trace_id": "t", "arm": "short", "boundary": int(done.request.key[0])}
            written += [cells | {"token_ids": ids, "cut": []} for ids in done.token_ids]
        folder = tmp_path / str(tokens)
        add_part(folder, rows(written, schema.ROLLOUTS))
        found.append(sum(f.stat().st_size for f in folder.glob("*.parquet")) / 2**20)
    grows("MiB of rollouts", found)


def test_the_page(who: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = list[float]()
    monkeypatch.setattr(pages, "METHODS", 6)
    for sentences in SENTENCES:
        monkeypatch.setattr(pages, "SENTENCES", sentences)
        run = pages.large(tmp_path / str(sentences), 2)
        for file in (run / "matrices").rglob("*.parquet"):
            file.unlink()
        page = render(run, pages.CONF)
        beside = sum(path.stat().st_size for path in run.glob("report-data-*.js"))
        found.append((page.stat().st_size + beside) / 2**20)
    grows("MiB of the page", found)
