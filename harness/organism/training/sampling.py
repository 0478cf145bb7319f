"""Traces drawn from a checkpoint at temperature 1 and top-p 1."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from harness.engines.base import Request
from harness.engines.hf.batch import Batch
from harness.engines.hf.engine import HFEngine
from harness.engines.hf.rows import Base, Row, Work
from harness.engines.stopping import Stops
from harness.organism.grammar import END, vocabulary
from harness.organism.parser import ParsedSentence, parse
from harness.organism.puzzles import Puzzle
from harness.organism.tokens import encode, ids, prompt, tokenizer
from harness.text.segmentation import offsets

SLOTS, POOL = 512, 2048
LONGEST = 512  # tokens, prompt included


@dataclass(frozen=True)
class Sample:
    """A trace a model wrote: its tokens with the prompt's, and its parse, None if it is invalid."""

    puzzle: Puzzle
    prompt_length: int
    tokens: tuple[int, ...]
    text: str
    steps: tuple[ParsedSentence, ...] | None

    @property
    def correct(self) -> bool:
        """Whether it ends in the right answer, valid or not."""
        return self.text.endswith(f"\\boxed{{{self.puzzle.answer}}}")


def stops() -> Stops:
    """When a rollout of the organism ends."""
    return Stops(tokenizer(), frozenset({ids()[END]}), partial(offsets, min_chars=10))


def sample(model: Any, puzzles: Sequence[Puzzle], draws: int, seed: int) -> list[Sample]:
    """So many traces of every problem, those of a problem together and in order."""
    requests = [
        _request(i, puzzle, tuple(range(draws)), seed * 1_000_003 + i)
        for i, puzzle in enumerate(puzzles)
    ]
    engine = HFEngine(model, stops(), SLOTS, POOL)
    finished = {int(f.request.key[0]): f for f in engine.sample(requests)}
    found = list[Sample]()
    for i, puzzle in enumerate(puzzles):
        for tokens, reason in zip(finished[i].token_ids, finished[i].finish_reason, strict=True):
            text = decode(tokens)
            whole = requests[i].base + tokens + ((ids()[END],) if reason == "stop" else ())
            steps = parse(puzzle, text) if reason == "stop" else None
            found.append(Sample(puzzle, requests[i].cut, whole, text, steps))
    model.set_attn_implementation("sdpa")
    return found


def _request(number: int, puzzle: Puzzle, draws: tuple[int, ...], seed: int) -> Request:
    base = tuple(encode(prompt(puzzle.question)))
    return Request((str(number),), base, len(base), (), draws, seed, "end", LONGEST, 1.0, 1.0)


def decode(tokens: Sequence[int]) -> str:
    """The text of a trace's tokens."""
    return "".join(vocabulary()[t] for t in tokens)


@torch.inference_mode()
def sampler_error(model: Any, given: Sample) -> float:
    """The largest difference between the sampler's logits along a trace and the full pass."""
    cut = given.prompt_length
    extra = given.tokens[cut:-1]
    request = Request(("0",), given.tokens[:cut], cut, extra, (0,), 0, "end", LONGEST, 1.0, 1.0)
    row = Row(Work(request, Base(0, request.base, (cut,))), 0, np.random.default_rng(0))
    batch, end = Batch(model, 1, POOL), stops()
    slot, first = batch.start(row)
    stepped = [first]
    for _ in extra:
        row.take(0, end)
        stepped.append(batch.step()[slot])
    model.set_attn_implementation("sdpa")
    whole = model(input_ids=torch.tensor([given.tokens[:-1]])).logits[0, cut - 1 :]
    return float((torch.stack(stepped) - whole).abs().max())
