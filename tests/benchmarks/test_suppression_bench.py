"""Suppression of a SmolLM2 trace of random tokens: ours, whole passes, and one sentence at a time.

`pytest tests/benchmarks/test_suppression_bench.py --benchmark-enable -s -o addopts=""`, with
OMP_NUM_THREADS=1. Time is what the processor spends on this process, so that others on the machine
matter less. Memory is the highest resident set of a process of its own above what it holds after
loading and a short first call; Linux is asked for both, and told in between to forget the highest.
"""

import ctypes
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.core import Problem, Sentence, Suppress, Trace
from harness.models.masking import suppress
from harness.models.model import Subject
from tests.benchmarks.smollm2 import smollm2

WANT = Suppress(False, 1.0)
KEPT = 100  # logits a position that public code compares
SIZES = [(256, 8), (512, 15), (1024, 30), pytest.param((2048, 60), marks=pytest.mark.slow)]


@dataclass
class Timing:
    """Seconds of each way at one size, the slow ones scaled from a few passes."""

    ours: float
    passes: float
    public: float


def trace(tokens: int, sentences: int) -> Trace:
    """Random tokens in sentences of random lengths, after a prompt of 32."""
    rng = np.random.default_rng(0)
    ids = tuple(rng.integers(1000, 40000, 32 + tokens).tolist())
    inner = np.sort(rng.choice(np.arange(1, tokens), sentences - 1, replace=False)).tolist()
    ends = zip([0, *inner], [*inner, tokens], strict=True)
    spans = tuple(Sentence("", start, stop, None) for start, stop in ends)
    problem = Problem("p", "q", "a", None, "s", "evaluate")
    return Trace("t", problem, "m", "r", 0, ids[:32], ids[32:], "", spans, "", False, "", "")


def loaded() -> Subject:
    subject = smollm2()
    suppress(subject, trace(64, 4), WANT)
    return subject


@pytest.fixture(scope="module")
def subject() -> Subject:
    pytest.importorskip("gguf")
    return loaded()


@torch.inference_mode()
def whole(subject: Subject, trace: Trace) -> torch.Tensor:
    """A plain pass over everything, to the logits."""
    subject.model.set_attn_implementation("sdpa")
    ids = torch.tensor([[*trace.prompt_ids, *trace.token_ids]])
    return subject.model(ids, use_cache=False).logits[0]


@torch.inference_mode()
def body(subject: Subject, trace: Trace) -> torch.Tensor:
    """A plain pass over everything, to the final states."""
    subject.model.set_attn_implementation("sdpa")
    ids = torch.tensor([[*trace.prompt_ids, *trace.token_ids]])
    return subject.model.get_decoder()(ids, use_cache=False).last_hidden_state


@torch.inference_mode()
def hidden(subject: Subject, trace: Trace, sentence: Sentence) -> torch.Tensor:
    """A whole pass with a sentence masked for all queries after it."""
    ids = torch.tensor([[*trace.prompt_ids, *trace.token_ids]])
    n, shift = ids.shape[1], len(trace.prompt_ids)
    seen = torch.ones(n, n, dtype=torch.bool).tril()
    seen[shift + sentence.stop :, shift + sentence.start : shift + sentence.stop] = False
    mask = torch.zeros(n, n, dtype=subject.model.dtype).masked_fill_(~seen, -torch.inf)
    subject.model.set_attn_implementation("eager")
    return subject.model(ids, attention_mask=mask[None, None], use_cache=False).logits[0]


def top(logits: torch.Tensor) -> dict[int, float]:
    """The largest logits of a position by token, after all are ranked by probability."""
    _, tokens = torch.softmax(logits.float(), dim=-1).sort(descending=True)
    kept = tokens[:KEPT]
    return dict(zip(kept.tolist(), logits[kept].tolist(), strict=True))


def truncated(p: dict[int, float], q: dict[int, float]) -> float:
    """KL over the tokens that either keeps, the other's logits of them far below."""
    tokens = sorted(p.keys() | q.keys())
    x, y = (np.array([kept.get(token, -100.0) for token in tokens]) for kept in (p, q))
    x, y = (z - z.max() - np.log(np.exp(z - z.max()).sum()) for z in (x, y))
    return float((np.exp(x) * (x - y)).sum())


def public(
    subject: Subject, trace: Trace, sentence: Sentence, plain: list[dict[int, float]]
) -> list[float]:
    """A sentence by a whole masked pass, compared position by position."""
    masked = hidden(subject, trace, sentence)
    return [truncated(p, top(q)) for p, q in zip(plain, masked, strict=True)]


def seconds(function: object, *args: object) -> float:
    since = time.process_time()
    function(*args)
    return time.process_time() - since


TIMES: dict[int, Timing] = {}


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("size", SIZES)
def test_time(size: tuple[int, int], subject: Subject, benchmark: object) -> None:
    given, n = trace(*size), size[1]
    plain = [top(row) for row in whole(subject, given)]
    slow = [seconds(public, subject, given, s, plain) for s in given.sentences[:2]]
    passes = [seconds(whole, subject, given) for _ in range(2)]
    benchmark.pedantic(suppress, (subject, given, WANT), rounds=1, iterations=1)
    passes += [seconds(whole, subject, given) for _ in range(2)]
    if benchmark.enabled:
        ours, of_one = benchmark.stats.stats.median, float(np.median(passes))
        TIMES[size[0]] = Timing(ours, n * of_one, n * float(np.median(slow)))


def test_ratios() -> None:
    if not TIMES:
        pytest.skip("needs the measurements of this file: make bench")
    for tokens, found in TIMES.items():
        print(
            f"{tokens} tokens: {found.ours:.1f} s; {found.ours / found.passes:.2f} of as many "
            f"whole passes; {found.public / found.ours:.1f} times faster than one at a time"
        )
    found = TIMES[max(TIMES)]
    assert found.ours <= 0.6 * found.passes
    # Ours must run half of every pass; where passes are dear that alone may forbid twelve times.
    possible = found.public / (found.passes / 2)
    print(f"nothing that runs every token after a mask is more than {possible:.1f} times faster")
    assert found.public >= min(12, 0.8 * possible) * found.ours


def resident(name: str) -> int:
    """Bytes of VmRSS, what is resident now, or of VmHWM, the most since it was last forgotten."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def above(way: str, tokens: int, sentences: int) -> int:
    """Bytes that one call needs above what a process with the loaded model holds."""
    subject, given = loaded(), trace(tokens, sentences)
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what loading has freed is not there for free
    base = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    if way == "ours":
        suppress(subject, given, WANT)
    else:
        {"whole": whole, "body": body}[way](subject, given)
    return resident("VmHWM") - base


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory")
def test_memory() -> None:
    """One pack of many needs what the others need, so a few long runs tell."""
    size = ("2048", "12")
    peak = {
        way: int(
            subprocess.check_output(
                [sys.executable, "-m", "tests.benchmarks.test_suppression_bench", way, *size],
                cwd=Path(__file__).parents[2],
                text=True,
                timeout=600,
            ).splitlines()[-1]
        )
        for way in ("body", "whole", "ours")
    }
    print({way: f"{used / 2**20:.0f} MiB" for way, used in peak.items()})
    assert peak["ours"] <= 2 * peak["whole"]


if __name__ == "__main__":
    print(above(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
