"""Memory and time of a SmolLM2 pass: plain, with pooled attention, and with all its weights.

Memory: each pass in a process of its own, the peak of its resident memory (VmHWM, reset once the
model is loaded and has run once) less what was resident then; tensors are given back when they are
freed, so that the peak is of live ones. Time: CPU seconds, which other jobs on the machine hardly
move.
`pytest tests/benchmarks/test_attention_bench.py --benchmark-enable -s`.
"""

import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from harness.core import Attend, Problem, Sentence, Trace
from harness.models.attention import attending
from methods.attention import Vertical
from tests.benchmarks.smollm2 import smollm2

PROBLEM = Problem("p", "q", "0", None, "made", "evaluate")
LENGTHS = (256, 512, 1024, 2048)
SENTENCE = 34  # tokens: 60 sentences in 2,048
WANT = Attend(Vertical(4, False))


def loaded() -> torch.nn.Module:
    return smollm2().model


def trace_of(tokens: int) -> Trace:
    ids = np.random.default_rng(0).integers(3, 49_000, tokens).tolist()
    starts = range(0, tokens - SENTENCE + 1, SENTENCE)
    sentences = tuple(Sentence("s", at, at + SENTENCE, None) for at in starts)
    return Trace("t", PROBLEM, "m", "r", 0, (), tuple(ids), "", sentences, "0", True, "m", "stop")


@torch.inference_mode()
def plain(model: torch.nn.Module, trace: Trace) -> None:
    model.get_decoder()(input_ids=torch.tensor([trace.token_ids]), use_cache=False)


def pooled(model: torch.nn.Module, trace: Trace) -> None:
    with attending(model, trace, [WANT]) as found:
        plain(model, trace)
    assert np.isfinite(found[WANT]).any()


@torch.inference_mode()
def everything(model: torch.nn.Module, trace: Trace) -> None:
    ids = torch.tensor([trace.token_ids])
    model.set_attn_implementation("eager")
    out = model.get_decoder()(input_ids=ids, use_cache=False, output_attentions=True)
    assert len(out.attentions) == 30
    model.set_attn_implementation("sdpa")


WAYS = {way.__name__: way for way in (plain, pooled, everything)}


def resident(field: str) -> int:
    """VmRSS, or VmHWM = its peak, in kB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0])


def peak(way: str, tokens: int) -> float:
    """MB beyond the loaded model, measured in this process."""
    model = loaded()
    WAYS[way](model, trace_of(4 * SENTENCE))
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what loading has freed is not there for free
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    WAYS[way](model, trace_of(tokens))
    return (resident("VmHWM") - before) / 1024


def memory(way: str, tokens: int) -> float:
    """The same, measured in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.test_attention_bench", way, str(tokens)]
    root = Path(__file__).parents[2]
    env = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module", autouse=True)
def enabled(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("benchmark_disable"):
        pytest.skip("measures only: make bench")
    pytest.importorskip("gguf")


@pytest.fixture(scope="module")
def model(enabled: None) -> torch.nn.Module:
    return loaded()


def test_memory(benchmark: Callable) -> None:
    found = {("pooled", n): memory("pooled", n) for n in LENGTHS[:-1]}
    found |= {("plain", n): memory("plain", n) for n in LENGTHS}
    found["everything", 2048] = memory("everything", 2048)
    found["pooled", 2048] = benchmark.pedantic(memory, ("pooled", 2048), rounds=1)
    for (way, tokens), megabytes in sorted(found.items()):
        print(f"{way:>10} {tokens:>5} tokens {megabytes:8.0f} MB")
    assert found["pooled", 2048] <= 1.25 * found["plain", 2048]
    assert found["pooled", 2048] <= found["everything", 2048] / 8
    assert found["pooled", 2048] <= 2.5 * found["pooled", 1024]


@pytest.mark.parametrize("tokens", LENGTHS)
def test_time(benchmark: Callable, model: torch.nn.Module, tokens: int) -> None:
    trace, seconds = trace_of(tokens), {plain: [], pooled: []}
    rounds = max(3, 2048 // tokens)
    for _ in range(rounds):  # in turn, so that both meet the same machine
        for way in (plain, pooled):
            start = time.process_time()
            way(model, trace)
            seconds[way].append(time.process_time() - start)
    benchmark.pedantic(pooled, (model, trace), rounds=1)
    least = {way: min(taken) for way, taken in seconds.items()}
    ratio = least[pooled] / least[plain]
    benchmark.extra_info["ratio"] = ratio
    print(f"{tokens:>5} tokens: plain {least[plain]:.2f} s, pooled {ratio:.2f} times that")
    assert ratio <= 1.5


if __name__ == "__main__":
    print(json.dumps(peak(sys.argv[1], int(sys.argv[2]))))
