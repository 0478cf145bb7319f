"""The rollouts of a batch: what they continue, what they have written, how they are drawn."""

from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor

from harness.core import Route
from harness.engines.base import Finish, Finished, Request
from harness.engines.hf.blocks import NEVER, Blocks
from harness.engines.stopping import Sentences, Stops
from harness.models.conditions import Recycled, Steered


@dataclass(eq=False)
class Base:
    """Tokens whose prefixes rollouts share, prefilled once when the first of them starts."""

    number: int
    tokens: tuple[int, ...]
    cuts: tuple[int, ...]
    under: tuple[Steered | Recycled, ...] = ()
    last: int = NEVER  # from where on it is steered as what is written is
    layers: tuple[int, ...] = ()  # blocks whose states a router reads
    rows: int = 0  # running rollouts
    logits: dict[int, Float[Tensor, " vocab"]] = field(default_factory=dict)
    states: dict[int, dict[int, Float[Tensor, " width"]]] = field(default_factory=dict)  # by cut
    blocks: Blocks | None = None  # once it is prefilled, if anything is done to them

    @property
    def size(self) -> int:
        """Columns of the pool it takes."""
        return self.cuts[-1]


class How(NamedTuple):
    """How tokens are drawn from logits."""

    temperature: float
    top_p: float
    forbidden: tuple[int, ...]


@dataclass(eq=False)
class Work:
    """A request and the rollouts of it that are complete, by draw."""

    request: Request
    base: Base
    done: dict[int, tuple[tuple[int, ...], Finish, int]] = field(default_factory=dict)

    @cached_property
    def how(self) -> How:
        """How its tokens are drawn."""
        return How(self.request.temperature, self.request.top_p, self.request.forbidden)

    @cached_property
    def route(self) -> Route | None:
        """Which tokens another checkpoint writes, if any."""
        return self.request.route

    @property
    def complete(self) -> bool:
        """Whether all its rollouts have ended."""
        return len(self.done) == len(self.request.draws)

    def finished(self) -> Finished:
        """What the caller gets, in the order of the request's draws."""
        ended = [self.done[draw] for draw in self.request.draws]
        tokens, reasons, routed = zip(*ended, strict=True)
        return Finished(self.request, tokens, reasons, routed if self.route else ())


@dataclass(eq=False)
class Side:
    """What a router keeps of a rollout: its noise, where sentences may begin, what a probe said."""

    rng: np.random.Generator
    sentences: Sentences
    value: float = -inf


@dataclass(eq=False)
class Row:
    """One running rollout: its draw, its own noise, and what it has written."""

    work: Work
    draw: int
    rng: np.random.Generator
    tokens: list[int] = field(default_factory=list)
    fed: int = 0  # extra tokens of the prefix fed so far
    newest: int = 0  # the token to feed next
    routes: bool = False  # whether the next token is another checkpoint's
    routed: int = 0  # tokens that were
    side: Side | None = None  # where there is a router

    @property
    def last(self) -> int:
        """Where the state stands that predicts the first token written."""
        return len(self.work.request.prefix) - 1

    def take(self, token: int, stops: Stops) -> Finish | None:
        """Append a sampled token, or the prefix's next extra one; says whether and why it ended."""
        request = self.work.request
        if self.fed < len(request.extra):
            self.newest = request.extra[self.fed]
            self.fed += 1
            return None
        if token in stops.eos:
            return "stop"
        self.newest = token
        self.tokens.append(token)
        self.routed += self.routes
        if stops.reached(request.until, request.extra, self.tokens):
            return "answer" if request.until == "answer" else "sentence"
        return "length" if len(request.prefix) + len(self.tokens) >= request.max_length else None
