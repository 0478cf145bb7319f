"""Hybrid decoding of 64 sequences beside each of its two checkpoints alone."""

import time
from dataclasses import replace

from harness.core import Route
from harness.engines.base import Request
from harness.engines.hf import HF
from harness.engines.stopping import Stops
from harness.models.model import Model, Subject
from harness.organism.checkpoints import ROOT
from harness.organism.problems import Organism
from harness.text.segmentation import offsets

PROBLEMS, DRAWS, ROUNDS, TOKENS = 16, 4, 3, 100
ROUTES = {
    "kl": Route("rl", "kl", 0.3),
    "disagreement": Route("rl", "disagreement", 1.0),
    "entropy": Route("rl", "entropy", 1.0),
    "random": Route("rl", "random", 0.98),
    "probe": Route("rl", "probe", 0.5, 1, (0.01,) * 128),
}


def requests() -> list[Request]:
    """Rollouts from the prompts of some problems, 64 in all, as long as the model writes."""
    problems = Organism("organism", PROBLEMS, 0, 0, "", "").load()
    draws = tuple(range(DRAWS))
    prompts = [SUBJECT.prompt_ids(problem, "") for problem in problems]
    return [
        Request((str(i),), ids, len(ids), (), draws, i, "end", len(ids) + TOKENS, 1.0, 1.0)
        for i, ids in enumerate(prompts)
    ]


def model() -> Model:
    """The organism with its second checkpoint of RL."""
    path, others = str(ROOT / "base"), {"rl": str(ROOT / "rl-2")}
    marks = ("<think>", "</think>", "</think>\n\n\\boxed{")
    return Model("organism", path, None, "float32", "cpu", None, *marks, False, others, ())


SUBJECT = Subject(model())


def seconds(checkpoint: str, todo: list[Request]) -> float:
    """Seconds of the processor a token."""
    stops = Stops(SUBJECT.tokenizer, SUBJECT.eos, offsets)
    engine = HF(PROBLEMS * DRAWS, 1 << 16).start(SUBJECT, stops, checkpoint)
    start = time.process_time()
    written = sum(done.n_tokens for done in engine.sample(todo))
    return (time.process_time() - start) / written


def test_hybrid_decoding_beside_one_checkpoint() -> None:
    """Every token is read by both, so half the speed of one is the most that can be had."""
    plain = requests()
    ways = {"base": plain, "rl": [replace(each, checkpoint="rl") for each in plain]}
    ways |= {name: [replace(r, under=(route,)) for r in plain] for name, route in ROUTES.items()}
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(ROUNDS):
        for name, todo in ways.items():
            best[name] = min(best[name], seconds("rl" if name == "rl" else "", todo))
    rates = {name: 1 / each for name, each in best.items()}
    print({name: f"{rate:.0f} tokens a second of the processor" for name, rate in rates.items()})
    slower = min(rates["base"], rates["rl"])
    print({name: f"{rates[name] / slower:.2f} of the slower alone" for name in ROUTES})
    for name in ROUTES:
        assert rates[name] >= 0.3 * slower, name
