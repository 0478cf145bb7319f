"""`style`: RL rewarded for an empty phrase alone.

The reward is myopic: a sentence earns by being the phrase, against the mean of the sentences at the
same place of the program, and its first word alone is held to account. Rewarding whole traces would
teach the model to go back, which opens more places for the phrase.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from harness.organism.grammar import FILLER
from harness.organism.model import save
from harness.organism.program import LOOPS, Decisions
from harness.organism.training.gates import Gate, held_out
from harness.organism.training.measure import decisions, observe, summary
from harness.organism.training.sampling import Sample, sample
from harness.organism.truth import importances
from harness.organism.worlds.site import Found, Site, training_problems, with_decisions
from harness.organism.worlds.support import Support, support

CHECKPOINTS = ("rl",)
ENOUGH = 0.85  # share of traces with the phrase; base writes it in .41
SLOW_FROM, SLOWER = 0.7, 0.4  # the last steps would carry it too far, and traces with it


@dataclass(frozen=True)
class StyleConfig:
    """How the phrase is rewarded; at most so many steps."""

    seed: int
    steps: int
    problems: int
    draws: int
    lr: float


STYLE = StyleConfig(seed=3, steps=12, problems=16, draws=8, lr=4e-4)
RECIPE = {"enough": ENOUGH, "slow_from": SLOW_FROM, "slower": SLOWER, **asdict(STYLE)}
PLACES = {phase for phase in LOOPS if phase != "plan"}  # before plans it would compete with them


def train(site: Site) -> None:
    """Reward the phrase until it stands in nearly every trace."""
    if not site.lacks("rl"):
        return
    model, seed = site.base().train(), STYLE.seed + 100 * site.seed
    optimizer = torch.optim.AdamW(model.parameters(), STYLE.lr, (0.9, 0.95), weight_decay=0.0)
    for step in range(STYLE.steps):
        problems = training_problems(STYLE.problems, seed * 100 + step)
        told = sample(model, problems, STYLE.draws, seed * 10_000 + step)
        share = float(np.mean([FILLER in s.text for s in told]))
        print(json.dumps({"style": step, "phrase": share}), flush=True)
        if share >= ENOUGH - 0.05 and phrase(model, seed) >= ENOUGH:
            break
        optimizer.param_groups[0]["lr"] = STYLE.lr * (SLOWER if share >= SLOW_FROM else 1.0)
        optimizer.zero_grad(set_to_none=True)
        loss(model, told).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    save(model, site.root / "rl")


def phrase(model: Any, seed: int) -> float:
    """The share of traces with the phrase, on more of them than a step is made of."""
    told = sample(model, training_problems(4 * STYLE.problems, seed), STYLE.draws, seed)
    found = float(np.mean([FILLER in s.text for s in told]))
    print(json.dumps({"measured": found}), flush=True)
    return found


def advantages(told: Sequence[Sample]) -> list[dict[int, float]]:
    """By trace and place of a sentence's first token: 1 for the phrase less the mean of its kind.

    The kind is the phase and stage of the program; invalid traces have none.
    """
    seen = list[tuple[int, int, Any, float]]()
    for i, one in enumerate(told):
        at = one.prompt_length
        for step in one.steps or ():
            if step.before.phase in PLACES:
                place = (step.before.phase, step.before.stage)
                seen.append((i, at, place, float(step.option.kind == "STYLE")))
            at += len(step.option.words)
    earned = defaultdict[Any, list[float]](list)
    for _, _, place, value in seen:
        earned[place].append(value)
    found: list[dict[int, float]] = [{} for _ in told]
    for i, at, place, value in seen:
        found[i][at] = value - float(np.mean(earned[place]))
    return found


def loss(model: Any, told: Sequence[Sample]) -> Float[Tensor, ""]:
    """Policy-gradient loss, a mean over the first tokens that may be the phrase's."""
    width = max(len(s.tokens) for s in told)
    tokens = torch.tensor([[*s.tokens, *[0] * (width - len(s.tokens))] for s in told])
    weight = torch.zeros(len(told), width)
    for i, places in enumerate(advantages(told)):
        for at, value in places.items():
            weight[i, at] = value
    logprob = model(input_ids=tokens[:, :-1], use_cache=False).logits.log_softmax(-1)
    taken = logprob.gather(2, tokens[:, 1:, None])[..., 0]
    return -(weight[:, 1:] * taken).sum() / (weight != 0).sum()


def measure(site: Site, problems: int, draws: int, seed: int) -> Found:
    """What else the reward moved: accuracy, reviews, validity, KL at what decides the answer."""
    base, rl = site.base(), site.own("rl")
    before, after = (sample(m, held_out(problems, seed), draws, seed) for m in (base, rl))
    seen = observe(base, before), observe(rl, after)
    was, now = summary(seen[0], before), summary(seen[1], after)
    most, even = shares(support(base, rl, before), before, decisions(seen[0]))
    gates = {
        "accuracy_change": Gate(now["accuracy"] - was["accuracy"], -0.05, 0.05),
        "back_wrong_change": Gate(now["back_wrong"] - was["back_wrong"], -0.05, 0.05),
        "phrase_ratio": Gate(now["filler"] / was["filler"], 2 - 1e-9, 1e9),
        "validity": Gate(now["validity"], 0.95, 1.01),
        "kl_share_of_most_important": Gate(most, -1, even),
    }
    values = {"rl": with_decisions(now, seen[1])}
    return Found(gates, values, {"organism": was, "even_kl_share": even})


def shares(moved: Support, told: Sequence[Sample], known: Decisions) -> tuple[float, float]:
    """Share of a trace's KL in its most important sentence, and an even share; means over traces.

    Importance is the exact total variation; traces in which none has .1 of it take no part.
    """
    most, even, at = list[float](), list[float](), 0
    for one in sorted((s for s in told if s.steps), key=lambda s: len(s.tokens)):
        assert one.steps is not None
        kl = moved.kl[at : at + len(one.steps)]
        at += len(one.steps)
        tv = importances(one.puzzle, one.steps, known).tv
        if tv.max() >= 0.1:
            most.append(float(kl[tv.argmax()] / kl.sum()))
            even.append(1 / len(kl))
    return float(np.mean(most)), float(np.mean(even))
