"""The running rollouts: slots, the pool of prefixes they share, and one decode step of all."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from harness.core import UserError
from harness.engines.base import Finish, Finished, Request
from harness.engines.hf.slots import GROW, NAME, STEP, SlotLayer, View
from harness.engines.stopping import Stops


@dataclass(eq=False)
class Base:
    """Tokens whose prefixes rollouts share, prefilled once when the first of them starts."""

    number: int
    tokens: tuple[int, ...]
    cuts: tuple[int, ...]
    rows: int = 0  # running rollouts
    logits: dict[int, Float[Tensor, " vocab"]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Columns of the pool it takes."""
        return self.cuts[-1]


@dataclass(eq=False)
class Work:
    """A request and the rollouts of it that are complete, by draw."""

    request: Request
    base: Base
    done: dict[int, tuple[tuple[int, ...], Finish]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all its rollouts have ended."""
        return len(self.done) == len(self.request.draws)

    def finished(self) -> Finished:
        """What the caller gets, in the order of the request's draws."""
        ended = [self.done[draw] for draw in self.request.draws]
        tokens, reasons = zip(*ended, strict=True)
        return Finished(self.request, tokens, reasons)


@dataclass(eq=False)
class Row:
    """One running rollout: its draw, its own noise, and what it has written."""

    work: Work
    draw: int
    rng: np.random.Generator
    tokens: list[int] = field(default_factory=list)
    fed: int = 0  # extra tokens of the prefix fed so far
    newest: int = 0  # the token to feed next

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
        if stops.reached(request.until, request.extra, self.tokens):
            return "answer" if request.until == "answer" else "sentence"
        return "length" if len(request.prefix) + len(self.tokens) >= request.max_length else None


class Batch:
    """Slots of rollouts on one model: at most `limit` run at once, over at most `pool` tokens."""

    def __init__(self, model: Any, limit: int, pool: int) -> None:
        self.model, self.limit, self.pool = model, limit, pool
        self.device: torch.device = model.device
        self.layers: list[SlotLayer] = []
        self.slots: list[Row | None] = []
        self.bases: list[Base] = []
        self.length: Int[np.ndarray, " slots"] = np.zeros(limit, dtype=np.int64)
        self.cut: Int[np.ndarray, " slots"] = np.zeros(limit, dtype=np.int64)
        self.owner: Int[np.ndarray, " slots"] = np.zeros(limit, dtype=np.int64)

    @property
    def running(self) -> list[int]:
        """Slots that hold a rollout."""
        return [i for i, row in enumerate(self.slots) if row is not None]

    def room(self, base: Base) -> bool:
        """Whether one more rollout of this base can start now."""
        if len(self.slots) == self.limit and None not in self.slots:
            return False
        used = sum(b.size for b in self.bases)
        return base in self.bases or not self.bases or used + base.size <= self.pool

    def start(self, row: Row) -> tuple[int, Float[Tensor, " vocab"]]:
        """Give a rollout a slot; returns it and the logits of the rollout's first token."""
        base = row.work.base
        if base not in self.bases:
            self._admit(base)
        base.rows += 1
        if None not in self.slots:
            self.slots.append(None)
        slot = self.slots.index(None)
        self.slots[slot] = row
        self.length[slot], self.cut[slot] = 0, row.work.request.cut
        self.owner[slot] = base.number
        return slot, base.logits[row.work.request.cut]

    @torch.inference_mode()
    def step(self) -> Float[Tensor, "slots vocab"]:
        """Feed every slot its newest token; returns the logits of the next."""
        view = self._view()
        for layer in self.layers:
            layer.fit(len(self.slots), -(-view.width // GROW) * GROW)
            layer.columns = view.length - 1
        self.model.set_attn_implementation(NAME)
        out = self.model(
            input_ids=torch.tensor([[row.newest if row else 0] for row in self.slots]).to(
                self.device
            ),
            position_ids=(view.cut + view.length - 1)[:, None],
            past_key_values=Cache(layers=list(self.layers)),
            use_cache=True,
            view=view,
            layers=self.layers,
        )
        return out.logits[:, 0]

    def free(self, slot: int) -> None:
        """Empty a slot."""
        row = self.slots[slot]
        assert row is not None
        row.work.base.rows -= 1
        self.slots[slot] = None

    def compact(self) -> None:
        """Close the gaps once half of the slots stand empty and nothing waits."""
        keep = self.running
        if 2 * len(keep) > len(self.slots) or not keep:
            return
        for array in (self.length, self.cut, self.owner):
            array[: len(keep)] = array[keep]
        self.slots = [self.slots[i] for i in keep]
        for layer in self.layers:
            # Rollouts may end at their first token, before a step has made room for them.
            layer.fit(keep[-1] + 1, 0)
            layer.keep_rows(torch.tensor(keep, device=self.device))

    def retire(self) -> None:
        """Forget the prefixes that no rollout reads any more."""
        if all(b.rows for b in self.bases):
            return
        live = torch.tensor(
            [b.rows > 0 for b in self.bases for _ in range(b.size)], device=self.device
        )
        for layer in self.layers:
            layer.retire(live)
        self.bases = [b for b in self.bases if b.rows]

    @torch.inference_mode()
    def _admit(self, base: Base) -> None:
        self.model.set_attn_implementation("sdpa")
        cache = DynamicCache()
        ids = torch.tensor(base.tokens[: base.size], device=self.device)
        at = torch.tensor(base.cuts, device=self.device) - 1
        out = self.model(
            input_ids=ids[None], past_key_values=cache, use_cache=True, logits_to_keep=at
        )
        base.logits = dict(zip(base.cuts, out.logits[0], strict=True))
        if not self.layers:
            self.layers = [SlotLayer() for _ in cache.layers]
        for layer, prefill in zip(self.layers, cache.layers, strict=True):
            if not isinstance(prefill, DynamicLayer):
                raise UserError("engine=hf: this model has layers without a key-value cache")
            if not layer.is_initialized:
                layer.start(prefill)
            layer.admit(prefill)
        self.bases.append(base)

    def _view(self) -> View:
        """Who sees what in the next step; an empty slot sees its own first column."""
        n = len(self.slots)
        self.length[:n] += 1
        self.length[[i for i, row in enumerate(self.slots) if row is None]] = 1

        def tensor(values: Any) -> Tensor:
            return torch.as_tensor(np.array(values), device=self.device, dtype=torch.long)

        return View(
            owner=tensor(self.owner[:n]),
            cut=tensor(self.cut[:n]),
            length=tensor(self.length[:n]),
            pool_owner=tensor([b.number for b in self.bases for _ in range(b.size)]),
            pool_position=tensor([i for b in self.bases for i in range(b.size)]),
            # In steps, so that the matrix products meet few shapes.
            width=-(-int(self.length[:n].max()) // STEP) * STEP,
            dtype=self.model.dtype,
        )
