"""Reinforcement learning from a checkpoint: GRPO with a reward for the right answer."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from harness.organism.grammar import FILLER
from harness.organism.puzzles import puzzles_of_split, with_random_name
from harness.organism.training.sampling import Sample, sample


@dataclass(frozen=True)
class GRPOConfig:
    """How a checkpoint is reinforced; `valid` and `filler` are the rewards beside 1 for right."""

    seed: int
    steps: int
    problems: int
    draws: int
    lr: float
    valid: float
    filler: float


RL = GRPOConfig(seed=1, steps=60, problems=16, draws=8, lr=2e-4, valid=0.5, filler=0.0)
RL_STYLE = GRPOConfig(seed=2, steps=12, problems=16, draws=8, lr=2e-4, valid=0.5, filler=0.5)


def reward(config: GRPOConfig, given: Sample) -> float:
    """What one trace earns."""
    valid, filler = given.steps is not None, FILLER in given.text
    return given.correct + config.valid * valid + config.filler * filler


def advantages(rewards: Float[np.ndarray, "problems draws"]) -> Float[np.ndarray, "problems draws"]:
    """Rewards against the mean of their problem, in its standard deviations; 0 where all agree."""
    centred = rewards - rewards.mean(axis=1, keepdims=True)
    return centred / (rewards.std(axis=1, keepdims=True) + 1e-6)


def loss(
    model: Any, samples: Sequence[Sample], advantage: Float[np.ndarray, " samples"]
) -> Float[Tensor, ""]:
    """Policy-gradient loss, a mean over the tokens that were sampled."""
    width = max(len(s.tokens) for s in samples)
    tokens = torch.tensor([[*s.tokens, *[0] * (width - len(s.tokens))] for s in samples])
    place = torch.arange(1, width)
    start = torch.tensor([s.prompt_length for s in samples])[:, None]
    stop = torch.tensor([len(s.tokens) for s in samples])[:, None]
    own = ((place >= start) & (place < stop)).float()
    logprob = model(input_ids=tokens[:, :-1], use_cache=False).logits.log_softmax(-1)
    taken = logprob.gather(2, tokens[:, 1:, None])[..., 0]
    weight = torch.from_numpy(advantage).float()[:, None]
    return -(weight * taken * own).sum() / own.sum()


def train_grpo(model: Any, config: GRPOConfig) -> Iterator[tuple[int, list[Sample]]]:
    """Train a network in place by GRPO; yields each step's number and the traces it was made of."""
    rng, pool = Random(config.seed), list(puzzles_of_split(held_out=False))
    optimizer = torch.optim.AdamW(model.parameters(), config.lr, (0.9, 0.95), weight_decay=0.0)
    for step in range(config.steps):
        puzzles = [with_random_name(p, rng) for p in rng.sample(pool, config.problems)]
        samples = sample(model, puzzles, config.draws, config.seed * 10_000 + step)
        earned = np.array([reward(config, s) for s in samples]).reshape(len(puzzles), -1)
        optimizer.zero_grad(set_to_none=True)
        loss(model, samples, advantages(earned).ravel()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        right = float(np.mean([s.correct for s in samples]))
        print(
            json.dumps({"grpo": step, "accuracy": right, "reward": float(earned.mean())}),
            flush=True,
        )
        yield step, samples
