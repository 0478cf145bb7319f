"""Supervised training on soft targets: the exact next-token distribution at every position."""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import log_softmax

from harness.core import UserError
from harness.organism.puzzles import Puzzle, puzzles_of_split, with_random_name
from harness.organism.training.exercises import exercise
from harness.organism.training.optim import optimizers
from harness.organism.training.rows import Row, trace

Change = Callable[[Row], Row]


@dataclass(frozen=True)
class SupervisedConfig:
    """How base is trained; `rows` a batch, `bucket` batches are sorted by length together."""

    seed: int
    steps: int
    rows: int
    bucket: int
    matrix_lr: float
    other_lr: float
    warmup: int
    decay_from: float
    exercise_share: tuple[float, float]
    exercise_share_until: float
    save_every: int


PRETRAINING = SupervisedConfig(
    seed=0,
    steps=3600,
    rows=16,
    bucket=40,
    matrix_lr=0.012,
    other_lr=2e-3,
    warmup=60,
    decay_from=0.25,
    exercise_share=(0.5, 0.15),
    exercise_share_until=0.35,
    save_every=200,
)
# At a lower rate, for the few facts of arithmetic that pretraining leaves open.
FINETUNING = replace(
    PRETRAINING,
    seed=1,
    steps=400,
    matrix_lr=0.003,
    other_lr=5e-4,
    decay_from=0.2,
    exercise_share=(0.5, 0.5),
)


@dataclass(frozen=True, eq=False)
class Batch:
    """Padded tokens, and flat targets: row, position that predicts, token, probability."""

    tokens: Int[Tensor, "rows tokens"]
    row: Int[Tensor, " targets"]
    position: Int[Tensor, " targets"]
    token: Int[Tensor, " targets"]
    p: Float[Tensor, " targets"]


def batch(rows: Sequence[Row]) -> Batch:
    """Rows padded to the longest."""
    width = max(len(r.tokens) for r in rows)
    tokens = np.stack([np.pad(r.tokens, (0, width - len(r.tokens))) for r in rows])
    index = np.concatenate([np.full(len(r.at), i) for i, r in enumerate(rows)])
    return Batch(
        torch.from_numpy(tokens),
        torch.from_numpy(index),
        torch.from_numpy(np.concatenate([r.at for r in rows]) - 1),
        torch.from_numpy(np.concatenate([r.token for r in rows])),
        torch.from_numpy(np.concatenate([r.p for r in rows])).float(),
    )


def divergence(model: Any, given: Batch) -> Float[Tensor, ""]:
    """Mean KL of the exact next-token distribution to the model's, in nats a position."""
    scores = model(input_ids=given.tokens[:, :-1], use_cache=False).logits
    logprob = log_softmax(scores, dim=-1)[given.row, given.position, given.token]
    return (given.p * (given.p.log() - logprob)).sum() / given.p.sum()


def batches(config: SupervisedConfig, bucket: int, change: Change | None = None) -> Iterator[Batch]:
    """The batches of one bucket, the same ones however often the training was interrupted."""
    rng = Random(f"{config.seed}/{bucket}")
    done = bucket * config.bucket / config.steps
    early, late = config.exercise_share
    share = early if done < config.exercise_share_until else late
    rows = training_rows(_training_puzzles(), rng, config.rows * config.bucket, share)
    rows = [change(row) for row in rows] if change else rows
    rows.sort(key=lambda r: len(r.tokens))
    groups = [rows[i : i + config.rows] for i in range(0, len(rows), config.rows)]
    rng.shuffle(groups)
    yield from map(batch, groups)


def training_rows(
    pool: Sequence[Puzzle], rng: Random, count: int, exercise_share: float
) -> list[Row]:
    """Rows of all sorts: a share of exercises, of the traces 30 % off-policy and 10 % forced."""
    rows = list[Row]()
    for _ in range(count):
        if rng.random() < exercise_share:
            rows.append(exercise(rng))
            continue
        puzzle = with_random_name(rng.choice(pool), rng)
        rows.append(trace(puzzle, rng, rng.random() < 0.3, rng.random() < 0.1))
    return rows


@cache
def _training_puzzles() -> list[Puzzle]:
    return list(puzzles_of_split(held_out=False))


def lr_factor(config: SupervisedConfig, step: int) -> float:
    """The learning rate's factor: a short rise, a plateau, a linear fall to nothing."""
    fall = (config.steps - step) / (config.steps * (1 - config.decay_from))
    return min(1.0, (step + 1) / config.warmup, max(fall, 0.0))


class Training:
    """The state of a training, on disk between sessions; it changes the model it is given.

    `change` makes other targets of the program's.
    """

    def __init__(
        self, model: Any, config: SupervisedConfig, file: Path, change: Change | None = None
    ) -> None:
        self.model, self.config, self.file, self.change = model, config, file, change
        self.optimizers = optimizers(self.model, config.matrix_lr, config.other_lr)
        self.rates = [o.param_groups[0]["lr"] for o in self.optimizers]
        self.bucket = 0
        self.seconds = 0.0
        if file.exists():
            self._resume()

    def _resume(self) -> None:
        stored = torch.load(self.file, weights_only=True)
        if stored["config"] != repr(self.config):
            raise UserError(
                f"organism: {self.file} was made under other settings; delete it to start over"
            )
        self.model.load_state_dict(stored["model"])
        for optimizer, state in zip(self.optimizers, stored["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.bucket, self.seconds = stored["bucket"], stored["seconds"]

    def save(self) -> None:
        """Write everything needed to resume."""
        draft = self.file.with_suffix(".partial")
        state = {
            "config": repr(self.config),
            "model": self.model.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "bucket": self.bucket,
            "seconds": self.seconds,
        }
        torch.save(state, draft)
        os.replace(draft, self.file)

    def run(self, until: int | None = None) -> Any:
        """Train to the last step, or to an earlier end of a bucket; returns the network."""
        while self.bucket * self.config.bucket < (until or self.config.steps):
            started, total = time.monotonic(), list[float]()
            for i, given in enumerate(batches(self.config, self.bucket, self.change)):
                total.append(self._step(self.bucket * self.config.bucket + i, given))
            self.bucket += 1
            self.seconds += time.monotonic() - started
            at = {"step": self.bucket * self.config.bucket, "kl": float(np.mean(total))}
            print(json.dumps(at | {"seconds": round(self.seconds)}), flush=True)
            if self.bucket * self.config.bucket % self.config.save_every == 0:
                self.save()
        self.save()
        return self.model

    def _step(self, step: int, given: Batch) -> float:
        factor = lr_factor(self.config, step)
        for optimizer, rate in zip(self.optimizers, self.rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * factor
            optimizer.zero_grad(set_to_none=True)
        loss = divergence(self.model, given)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        return float(loss.detach())
