"""A forced answer at every boundary of a SmolLM2 trace, beside a plain pass and the answers alone.

`pytest tests/benchmarks/test_likelihood_bench.py --benchmark-enable -s -o addopts=""`, with
OMP_NUM_THREADS=1. Time is what the processor spends on this process.
"""

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from harness import Evidence, Likelihood, Trace
from harness.evidence.likelihoods import likelihoods
from harness.models.model import Subject
from tests.benchmarks.smollm2 import smollm2
from tests.benchmarks.test_suppression_bench import trace

TOKENS, SENTENCES, ROUNDS = 2048, 60, 3
WANT = Likelihood("42}.", "\n</think>\n\nSo the answer is \\boxed{")
NONE = Evidence(1, "", ())


@pytest.fixture(scope="module")
def subject() -> Subject:
    pytest.importorskip("gguf")
    return smollm2()


@torch.inference_mode()
def states(subject: Subject, ids: tuple[int, ...]) -> torch.Tensor:
    subject.model.set_attn_implementation("sdpa")
    return subject.model.get_decoder()(torch.tensor([ids]), use_cache=False).last_hidden_state[0]


def forced(subject: Subject) -> tuple[int, ...]:
    return subject.encode(WANT.append) + subject.encode(WANT.text)


def answers_alone(subject: Subject, given: Trace) -> None:
    """A pass over nothing but the tokens that are forced at all boundaries, to their logits."""
    own, scored = forced(subject), len(subject.encode(WANT.text))
    final = states(subject, own * (len(given.sentences) + 1))
    with torch.inference_mode():
        subject.model.get_output_embeddings()(final[: scored * (len(given.sentences) + 1)]).float()


def seconds(function: Callable[[], object]) -> float:
    since = time.process_time()
    function()
    return time.process_time() - since


def test_all_boundaries_cost_little_more_than_one_pass(benchmark: object, subject: Subject) -> None:
    given = trace(TOKENS, SENTENCES)
    ids = given.prompt_ids + given.token_ids
    tasks = {
        "ours": lambda: likelihoods(subject, given, NONE, [WANT]),
        "plain pass": lambda: states(subject, ids),
        "answers alone": lambda: answers_alone(subject, given),
    }
    taken = dict.fromkeys(tasks, float("inf"))

    def rounds() -> None:
        for _ in range(ROUNDS):
            for name, task in tasks.items():
                taken[name] = min(taken[name], seconds(task))

    benchmark.pedantic(rounds, rounds=1, iterations=1)
    ratio = taken["ours"] / (taken["plain pass"] + taken["answers alone"])
    print({name: f"{value:.2f} s" for name, value in taken.items()}, f"ratio {ratio:.2f}")
    found = likelihoods(subject, given, NONE, [WANT]).found(WANT)
    for k in (0, SENTENCES // 2, SENTENCES):
        stop = len(given.prompt_ids) + (given.sentences[k - 1].stop if k else 0)
        own = forced(subject)
        with torch.inference_mode():
            final = states(subject, ids[:stop] + own)[stop - 1 : -1]
            log_p = torch.log_softmax(subject.model.get_output_embeddings()(final).float(), -1)
        scored = len(subject.encode(WANT.text))
        expected = sum(float(log_p[n, own[n]]) for n in range(len(own) - scored, len(own)))
        np.testing.assert_allclose(found[k], expected, rtol=0.1)  # in bfloat16
    assert ratio <= 1.5
