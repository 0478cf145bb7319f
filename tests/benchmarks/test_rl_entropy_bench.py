"""Entropies of a SmolLM2 trace beside the pass they come from, and beside the plain formula.

`pytest tests/benchmarks/test_rl_entropy_bench.py --benchmark-enable -o addopts="" -s`; each time is
the best of some rounds, taken in turns in one process.
"""

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from harness import Compare, Condition, Evidence, Problem, Read, Sentence, Trace
from harness.evidence.passes import gathered
from harness.models.model import Subject
from tests.benchmarks.smollm2 import smollm2

TOKENS, ROUNDS = 1024, 4
NONE = Evidence(1, "", ())


class Largest(TorchDispatchMode):
    """The most elements of a float32 tensor that an operation made."""

    most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        given = {x.untyped_storage().data_ptr() for x in args if isinstance(x, torch.Tensor)}
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float32:
                view = tensor.untyped_storage().data_ptr() in given
                self.most = max(self.most, 0 if view else tensor.numel())
        return out


@pytest.fixture(scope="module")
def subject() -> Subject:
    pytest.importorskip("gguf")
    return smollm2()


@pytest.fixture(scope="module")
def trace(subject: Subject) -> Trace:
    ids = np.random.default_rng(0).integers(3, subject.model.config.vocab_size, TOKENS + 1).tolist()
    problem, sentence = Problem("p", "q", "a", None, "s", "evaluate"), Sentence("", 0, TOKENS, None)
    tokens = tuple(ids[1:])
    return Trace("t", problem, "m", "r", 0, (ids[0],), tokens, "", (sentence,), "", False, "", "")


def ids(trace: Trace) -> torch.Tensor:
    return torch.tensor([(*trace.prompt_ids, *trace.token_ids)])


@torch.inference_mode()
def plain_pass(subject: Subject, trace: Trace) -> None:
    """The model's own forward pass, its logits all at once."""
    subject.model(ids(trace), use_cache=False)


@torch.inference_mode()
def plain_entropy(subject: Subject, trace: Trace) -> np.ndarray:
    """The same, then -sum p log p in float32."""
    logp = torch.log_softmax(subject.model(ids(trace), use_cache=False).logits[0, :-1].float(), -1)
    return -(logp.exp() * logp).sum(-1).numpy()


def ours(subject: Subject, trace: Trace) -> Evidence:
    return gathered(subject, trace, NONE, [Read(entropy=True, logprob=True)], (1.0, 1.0))


def compared(subject: Subject, trace: Trace) -> Evidence:
    return gathered(subject, trace, NONE, [Compare(Condition(""), Condition(""))], (1.0, 1.0))


def best(functions: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each, the best of some rounds in turns."""
    seconds = dict.fromkeys(functions, np.inf)
    for _ in range(ROUNDS):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    return seconds


def test_entropies_cost_little_more_than_their_pass(benchmark, subject: Subject, trace: Trace):
    each = (plain_pass, plain_entropy, ours, compared)
    tasks = {f.__name__: lambda f=f: f(subject, trace) for f in each}
    seconds = benchmark.pedantic(best, (tasks,), rounds=1, warmup_rounds=0)
    print({name: round(value, 2) for name, value in seconds.items()})
    benchmark.extra_info.update(seconds)
    assert seconds["ours"] <= 1.1 * seconds["plain_pass"]
    expected = plain_entropy(subject, trace)
    np.testing.assert_allclose(ours(subject, trace).reading.entropy, expected, atol=0.02)


def test_no_distribution_of_all_tokens_is_alive(benchmark, subject: Subject, trace: Trace):
    def largest() -> int:
        with Largest() as seen:
            ours(subject, trace)
            compared(subject, trace)
        return seen.most

    most = benchmark.pedantic(largest, rounds=1)
    assert most <= TOKENS * subject.model.config.vocab_size / 2
