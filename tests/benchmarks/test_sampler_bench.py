"""Rollouts of one SmolLM2 trace: ours, `generate` prefix by prefix, and a bare forward loop."""

import time
from dataclasses import dataclass, replace

import pytest
import torch
from transformers import DynamicCache, logging

from harness.core import Problem
from harness.engines.base import Request
from harness.engines.hf import HF
from harness.engines.stopping import Stops
from harness.models.conditions import Forbidden
from harness.models.model import Subject
from harness.text.segmentation import offsets
from tests.benchmarks.smollm2 import smollm2

QUESTION = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in "
    "May. How many clips did Natalia sell altogether in April and May?"
)
DRAWS, NEW, SLOTS = 16, 256, 64
TEMPERATURE, TOP_P = 0.6, 0.95


@dataclass
class Scene:
    """A trace of a real model and the prefixes its rollouts continue."""

    subject: Subject
    stops: Stops
    todo: list[Request]


@pytest.fixture(scope="module")
def scene() -> Scene:
    pytest.importorskip("gguf")
    subject = smollm2()
    stops = Stops(subject.tokenizer, subject.eos, offsets)
    problem = Problem("p", QUESTION, "72", None, "", "evaluate")
    prompt = subject.prompt_ids(problem, "Think step by step.")
    first = Request(
        ("t",), prompt, len(prompt), (), (0,), 5, "end", len(prompt) + NEW, TEMPERATURE, TOP_P
    )
    (done,) = HF(1, 1).start(subject, stops, "").sample([first])
    base = prompt + done.token_ids[0]
    ends = [stop for _, stop in offsets(subject.decode(done.token_ids[0]))]
    cuts = [len(prompt)] + [
        len(prompt) + sum(start < end for start in subject.starts(done.token_ids[0]))
        for end in ends
    ]
    todo = [
        Request((str(c),), base, c, (), tuple(range(DRAWS)), c, "end", c + NEW, TEMPERATURE, TOP_P)
        for c in sorted(set(cuts))
    ]
    return Scene(subject, stops, todo)


def ours(scene: Scene) -> int:
    engine = HF(SLOTS, 4096).start(scene.subject, scene.stops, "")
    return sum(done.n_tokens for done in engine.sample(scene.todo))


def generate(scene: Scene) -> int:
    """Every third prefix with `num_return_sequences`; tokens up to each end of sequence."""
    logging.set_verbosity_error()
    model, pad = scene.subject.model, max(scene.subject.eos)
    model.set_attn_implementation("sdpa")
    torch.manual_seed(0)
    written = 0
    for request in scene.todo[::3]:
        out = model.generate(
            torch.tensor([request.prefix]),
            attention_mask=torch.ones(1, len(request.prefix), dtype=torch.long),
            max_new_tokens=NEW, do_sample=True, temperature=TEMPERATURE, top_p=TOP_P, top_k=0,
            num_return_sequences=DRAWS, pad_token_id=pad, eos_token_id=sorted(scene.subject.eos),
        )  # fmt: skip
        new = out[:, len(request.prefix) :]
        written += int((~torch.isin(new, torch.tensor(sorted(scene.subject.eos)))).sum())
    return written


@torch.inference_mode()
def bare(scene: Scene, steps: int = 24) -> int:
    """The model's own cache and attention, no sampling, contexts as long as ours on average."""
    model = scene.subject.model
    model.set_attn_implementation("sdpa")
    lengths = [len(r.prefix) + NEW // 4 for r in scene.todo]
    ids = torch.tensor([scene.todo[0].base[:1] * (sum(lengths) // len(lengths))] * SLOTS)
    cache = DynamicCache()
    token = model(ids, past_key_values=cache, use_cache=True, logits_to_keep=1).logits.argmax(-1)
    since = time.perf_counter()
    for _ in range(steps):
        token = model(token, past_key_values=cache, use_cache=True).logits.argmax(-1)
    bare.seconds = time.perf_counter() - since  # the loop alone, without its prefill
    return steps * SLOTS


RATES: dict[str, float] = {}


@pytest.mark.parametrize("way", [ours, generate, bare])
def test_tokens_per_second(way: object, scene: Scene, benchmark: object) -> None:
    tokens = benchmark.pedantic(way, args=(scene,), rounds=1, iterations=1)
    seconds = bare.seconds if way is bare else benchmark.stats.stats.mean
    RATES[way.__name__] = benchmark.extra_info["tokens_per_second"] = tokens / seconds


def test_forbidding_costs_little(scene: Scene) -> None:
    """Tokens that are never the likeliest anyway, so that both ways write the same."""
    free = [
        replace(r, draws=r.draws[:8], max_length=len(r.prefix) + 12, temperature=0.0)
        for r in scene.todo[: SLOTS // 8]
    ]
    engine = HF(SLOTS, 4096).start(scene.subject, scene.stops, "")
    drawn = {i for f in engine.sample(free) for ids in f.token_ids for i in ids} | scene.stops.eos
    never = [i for i in range(len(scene.subject.tokenizer)) if i not in drawn][:50]
    ways = {"free": free, "forbidding": [replace(r, under=(Forbidden((*never,)),)) for r in free]}
    seconds = {name: list[float]() for name in ways}
    written = set[int]()
    for _ in range(10):
        for name, todo in ways.items():
            start = time.process_time()
            written.add(sum(f.n_tokens for f in engine.sample(todo)))
            seconds[name].append(time.process_time() - start)
    best = {name: min(each) for name, each in seconds.items()}
    print({name: f"{value:.2f} s of the processor" for name, value in best.items()})
    assert len(written) == 1
    assert best["forbidding"] <= 1.03 * best["free"]


def test_ratios() -> None:
    if len(RATES) < 3:
        pytest.skip("needs the three measurements of this file: make bench")
    print({way: f"{rate:.0f} tokens/s" for way, rate in RATES.items()})
    assert RATES["ours"] >= 2.5 * RATES["generate"]
    assert RATES["ours"] >= 0.8 * RATES["bare"]
