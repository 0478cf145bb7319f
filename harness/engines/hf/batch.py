"""The running rollouts: slots, the pool of prefixes they share, and one decode step of all."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from harness.core import UserError
from harness.engines.hf.blocks import Blocks, Spot, changed, changes
from harness.engines.hf.rows import Base, Row
from harness.engines.hf.slots import GROW, NAME, STEP, SlotLayer, View
from harness.models.architectures.layers import empty_cache, uncached
from harness.models.attention import use_exact
from harness.models.hooks import captured


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
        self.states: Mapping[int, Float[Tensor, "slots 1 width"]] = {}  # of the last step

    @property
    def running(self) -> list[int]:
        """Slots that hold a rollout."""
        return [i for i, row in enumerate(self.slots) if row is not None]

    def room(self, row: Row) -> bool:
        """Whether one more rollout can start now."""
        base = row.work.base
        if len(self.slots) == self.limit and None not in self.slots:
            return False
        if base in self.bases or not self.bases:
            return True
        size = max(b.size for b in [*self.bases, base])  # all take as many columns
        return size * (len(self.bases) + 1) <= self.pool

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
        newest = torch.tensor([[row.newest if row else 0] for row in self.slots])
        self.model.set_attn_implementation(NAME)
        layers = sorted({layer for base in self.bases for layer in base.layers})
        seen = captured(self.model, layers)
        with changed(self.model, changes(self._spots()), None), seen as self.states:
            out = self.model(
                input_ids=newest.to(self.device),
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
        live = [i for i, base in enumerate(self.bases) if base.rows]
        if len(live) == len(self.bases):
            return
        self.bases = [self.bases[i] for i in live]
        keep = torch.tensor(live, dtype=torch.long, device=self.device)
        for layer in self.layers:
            layer.retire(keep, self._size)

    @torch.inference_mode()
    def _admit(self, base: Base) -> None:
        if why := uncached(self.model.config):
            raise UserError(f"engine=hf: {why}, which its sampler lacks")
        cache = self._prefilled(base)
        if not self.layers:
            self.layers = [SlotLayer() for _ in cache.layers]
        for layer, prefill in zip(self.layers, cache.layers, strict=True):
            assert isinstance(prefill, DynamicLayer)
            if not layer.is_initialized:
                layer.start(prefill)
            layer.admit(prefill)
        self.bases.append(base)

    def _prefilled(self, base: Base) -> DynamicCache:
        """The keys and values of a base, and in it the logits and states behind its cuts."""
        use_exact(self.model)
        cache, tokens = empty_cache(self.model.config), base.tokens[: base.size]
        base.blocks = Blocks(self.model, base.under) if base.under else None
        for start, stop in base.blocks.chunks(tokens) if base.blocks else [(0, len(tokens))]:
            cuts = [cut for cut in base.cuts if start < cut <= stop]
            spots = [
                Spot(base.blocks, i, tokens[i], base.last)
                for i in range(start, stop) if base.blocks
            ]  # fmt: skip
            seen = captured(self.model, base.layers)
            with changed(self.model, changes(spots), cache), seen as states:
                out = self.model(
                    input_ids=torch.tensor([tokens[start:stop]], device=self.device),
                    past_key_values=cache,
                    use_cache=True,
                    logits_to_keep=torch.tensor(cuts, dtype=torch.long, device=self.device)
                    - (start + 1),
                )
            base.logits |= dict(zip(cuts, out.logits[0], strict=True))
            for cut in cuts:
                base.states[cut] = {
                    n: state[0, cut - 1 - start].clone() for n, state in states.items()
                }
        return cache

    def _spots(self) -> list[Spot | None]:
        """The tokens of the next step at which something is done to blocks, by slot."""
        if not any(base.blocks for base in self.bases):
            return []
        return [
            Spot(row.work.base.blocks, int(self.cut[i] + self.length[i]) - 1, row.newest, row.last)
            if row and row.work.base.blocks
            else None
            for i, row in enumerate(self.slots)
        ]

    def _view(self) -> View:
        """Who sees what in the next step; an empty slot sees its own first column."""
        n = len(self.slots)
        self.length[:n] += 1
        self.length[[i for i, row in enumerate(self.slots) if row is None]] = 1

        def tensor(values: Any) -> Tensor:
            return torch.as_tensor(np.array(values), device=self.device, dtype=torch.long)

        base, place = self._places()
        return View(
            base=tensor(base),
            place=tensor(place),
            most=int(place.max()) + 1,
            cut=tensor(self.cut[:n]),
            length=tensor(self.length[:n]),
            size=self._size,
            # In steps, so that the matrix products meet few shapes.
            width=-(-int(self.length[:n].max()) // STEP) * STEP,
            dtype=self.model.dtype,
        )

    @property
    def _size(self) -> int:
        """Columns of the pool that each base takes."""
        return max((base.size for base in self.bases), default=0)

    def _places(self) -> tuple[Int[np.ndarray, " slots"], Int[np.ndarray, " slots"]]:
        """Of each slot its base in the pool, and its place among the slots of that base."""
        at = {base.number: i for i, base in enumerate(self.bases)}
        # What an empty slot sees is not read.
        base = np.array([at.get(int(o), 0) for o in self.owner[: len(self.slots)]])
        order = np.argsort(base, kind="stable")
        first = np.searchsorted(base[order], base)
        place = np.empty_like(base)
        place[order] = np.arange(len(base)) - first[order]
        return base, place
