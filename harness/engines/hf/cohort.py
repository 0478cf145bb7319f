"""Rollouts of one prefix at a time, on a cache of the model's own kind.

For models whose caches hold states, latents or convolutions in the place of a key and a value of
each token: nothing of them can be shared but a whole prefix, and no slot can be refilled.
"""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from harness.engines.hf.rows import Row
from harness.models.architectures.layers import empty_cache
from harness.models.attention import use_exact


class Cohort:
    """At most `limit` rollouts in step, all of them behind the same tokens."""

    def __init__(self, model: Any, limit: int) -> None:
        self.model, self.limit = model, limit
        self.slots: list[Row | None] = []
        self.prefix: tuple[int, ...] = ()
        self.logits: Float[Tensor, " vocab"] | None = None  # behind the prefix
        self.cache: Any = None
        self.stepped = False
        self.states: Mapping[int, Float[Tensor, "slots 1 width"]] = {}

    @property
    def running(self) -> list[int]:
        """Slots that hold a rollout."""
        return [i for i, row in enumerate(self.slots) if row is not None]

    def room(self, row: Row) -> bool:
        """Whether one more rollout can start now: the others stand where it would."""
        if not self.running:
            return True
        waits = not self.stepped and len(self.slots) < self.limit
        return waits and self.prefix == _prefix(row)

    def start(self, row: Row) -> tuple[int, Float[Tensor, " vocab"]]:
        """Give a rollout a slot; returns it and the logits of the rollout's first token."""
        if not self.running:
            self._read(_prefix(row))
        assert self.logits is not None
        self.slots.append(row)
        return len(self.slots) - 1, self.logits

    @torch.inference_mode()
    def step(self) -> Float[Tensor, "slots vocab"]:
        """Feed every slot its newest token; returns the logits of the next."""
        if not self.stepped:
            self._keep([0] * len(self.slots))
            self.stepped = True
        newest = torch.tensor([[row.newest if row else 0] for row in self.slots])
        out = self.model(
            input_ids=newest.to(self.model.device), past_key_values=self.cache, use_cache=True
        )
        return out.logits[:, -1]

    def free(self, slot: int) -> None:
        """Empty a slot."""
        self.slots[slot] = None

    def compact(self) -> None:
        """Close the gaps once half of the slots stand empty."""
        keep = self.running
        if self.stepped and keep and 2 * len(keep) <= len(self.slots):
            self.slots = [self.slots[i] for i in keep]
            self._keep(keep)

    def retire(self) -> None:
        """Nothing to forget: the next prefix takes the place of this one."""

    @torch.inference_mode()
    def _read(self, prefix: tuple[int, ...]) -> None:
        """Begin anew, behind a prefix that is read whole: not all caches can be read on."""
        use_exact(self.model)
        self.slots, self.prefix, self.stepped = [], prefix, False
        self.cache = empty_cache(self.model.config)
        out = self.model(
            input_ids=torch.tensor([prefix], device=self.model.device),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        self.logits = out.logits[0, -1]

    def _keep(self, rows: list[int]) -> None:
        self.cache.reorder_cache(torch.tensor(rows, device=self.model.device))


def _prefix(row: Row) -> tuple[int, ...]:
    """What is read before a rollout starts; its extra tokens are fed one by one."""
    return row.work.base.tokens[: row.work.request.cut]
