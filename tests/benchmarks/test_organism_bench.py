"""Rollouts of organism traces at 512 rows: ours, and `generate` prefix by prefix."""

import pytest
import torch
from transformers import logging

from harness.engines.base import Request
from harness.engines.hf import HF
from harness.models.model import Model, Subject
from harness.organism.checkpoints import ROOT
from harness.organism.model import load
from harness.organism.tokens import ids
from harness.organism.training.gates import held_out
from harness.organism.training.sampling import LONGEST, sample, stops

DRAWS, SLOTS, TRACES = 100, 512, 2


@pytest.fixture(scope="module")
def todo() -> list[Request]:
    """A hundred rollouts at every boundary of a few traces."""
    told = [s for s in sample(load(ROOT / "base"), held_out(8, 3), 1, 0) if s.steps][:TRACES]
    found = list[Request]()
    for i, one in enumerate(told):
        cut, cuts = one.prompt_length, [one.prompt_length]
        for step in one.steps:
            cut += len(step.option.words)
            cuts.append(cut)
        draws = tuple(range(DRAWS))
        found += [
            Request((str(i),), one.tokens[:-1], c, (), draws, c, "end", LONGEST, 1.0, 1.0)
            for c in cuts
        ]
    return found


@pytest.fixture(scope="module")
def subject() -> Subject:
    place = "wheel://harness/organism/checkpoints/base"
    return Subject(
        Model("organism", place, None, "float32", "cpu", None, "", "", "", False, {}, ())
    )


def ours(subject: Subject, todo: list[Request]) -> int:
    engine = HF(SLOTS, 4096).start(subject, stops(), "")
    return sum(done.n_tokens for done in engine.sample(todo))


def generate(subject: Subject, todo: list[Request]) -> int:
    """Five prefixes a batch, so that its rows are ours; tokens up to the end of sequence."""
    logging.set_verbosity_error()
    model, end = subject.model, ids()["<|end|>"]
    model.set_attn_implementation("sdpa")
    torch.manual_seed(0)
    written = 0
    for i in range(0, len(todo), 5):
        group = todo[i : i + 5]
        width = max(len(r.prefix) for r in group)
        padded = torch.tensor([[0] * (width - len(r.prefix)) + list(r.prefix) for r in group])
        out = model.generate(
            padded, attention_mask=(padded != 0).long(), max_new_tokens=LONGEST - width,
            do_sample=True, temperature=1.0, top_p=1.0, top_k=0, num_return_sequences=DRAWS,
            pad_token_id=0, eos_token_id=end,
        )  # fmt: skip
        new = out[:, width:]
        written += int(((new != 0) & (new != end)).sum())
    return written


RATES: dict[str, float] = {}


@pytest.mark.parametrize("way", [ours, generate])
def test_tokens_per_second(
    way: object, subject: Subject, todo: list[Request], benchmark: object
) -> None:
    tokens = benchmark.pedantic(way, args=(subject, todo), rounds=1, iterations=1)
    rate = tokens / benchmark.stats.stats.mean
    RATES[way.__name__] = benchmark.extra_info["tokens_per_second"] = rate


def test_ratios() -> None:
    if len(RATES) < 2:
        pytest.skip("needs both measurements of this file: make bench")
    print({way: f"{rate:.0f} tokens/s" for way, rate in RATES.items()})
    assert RATES["ours"] >= 4 * RATES["generate"]
