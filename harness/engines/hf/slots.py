"""The key-value store of the sampler: shared prefixes once, and one slot a running rollout.

Every rollout of a trace continues a cut of the same tokens, so their keys and values are kept once,
in a pool that all its rows read with one matrix product; only what a rollout adds lies in its slot.
Keys are stored transposed, which makes both products of a decode step read memory in order.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.cache_utils import CacheLayerMixin, DynamicLayer

from harness.models.architectures.layers import capped, handed, softmax

NAME = "harness_slots"
GROW = 64  # columns by which slots grow: small enough to keep the padding low
STEP = 16  # columns by which the part in use does; GROW is a multiple of it


@dataclass(eq=False)
class View:
    """Which keys each row may see in one decode step."""

    base: Int[Tensor, " rows"]  # in the pool, the one whose prefix a row continues
    place: Int[Tensor, " rows"]  # of the row among those of its base
    most: int  # rows of one base
    cut: Int[Tensor, " rows"]  # tokens of its base that a row sees
    length: Int[Tensor, " rows"]  # tokens in its slot, this step's included
    size: int  # columns of the pool
    width: int  # columns of the slots in use
    dtype: torch.dtype
    masks: dict[int | None, Float[Tensor, "rows 1 1 keys"]] = field(default_factory=dict)

    def visible(self, window: int | None) -> Bool[Tensor, "rows keys"]:
        """True where a row may attend: pool columns first, then its slot."""
        shared = torch.arange(self.size, device=self.cut.device)
        column = torch.arange(self.width, device=self.cut.device)
        pool, slot = shared < self.cut[:, None], column < self.length[:, None]
        if window is None:
            return torch.cat([pool, slot], dim=1)
        now = (self.cut + self.length - 1)[:, None]
        near_pool = now - shared < window
        near_slot = now - (self.cut[:, None] + column) < window
        return torch.cat([pool & near_pool, slot & near_slot], dim=1)

    def mask(self, window: int | None) -> Float[Tensor, "rows 1 1 keys"]:
        """The additive mask of `visible`, made once a step and window."""
        if window not in self.masks:
            hidden = ~self.visible(window)
            mask = torch.zeros(hidden.shape, dtype=self.dtype, device=hidden.device)
            self.masks[window] = mask.masked_fill_(hidden, -torch.inf)[:, None, None]
        return self.masks[window]


class SlotLayer(CacheLayerMixin):
    """One layer's pool, by base, and slots: keys (…, dims, tokens), values (…, tokens, dims)."""

    is_sliding = False

    def __init__(self) -> None:
        super().__init__()
        self.columns: Tensor = torch.empty(0, dtype=torch.long)
        self.pool_keys: Tensor = torch.empty(0)
        self.pool_values: Tensor = torch.empty(0)

    def start(self, prefill: DynamicLayer) -> None:
        """Empty pool and slots with the shapes of a prefilled layer."""
        keys, values = prefill.keys, prefill.values
        assert keys is not None
        assert values is not None
        groups, width, out = keys.shape[1], keys.shape[3], values.shape[3]
        self.pool_keys = keys.new_empty(0, groups, width, 0)
        self.pool_values = values.new_empty(0, groups, 0, out)
        self.keys = keys.new_zeros(0, groups, width, 0)
        self.values = values.new_zeros(0, groups, 0, out)
        self.is_initialized = True

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Never needed: `start` makes the buffers."""

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Write this step's keys and values into each row's own column."""
        assert self.keys is not None
        assert self.values is not None
        rows = torch.arange(len(self.columns), device=self.columns.device)
        self.keys[rows, :, :, self.columns] = key_states[:, :, 0]
        self.values[rows, :, self.columns] = value_states[:, :, 0]
        return key_states, value_states

    def fit(self, rows: int, columns: int) -> None:
        """Make room for at least so many rows and columns."""
        assert self.keys is not None
        assert self.values is not None
        more_rows = max(0, rows - len(self.values))
        more = max(0, columns - self.values.shape[2])
        if more_rows or more:
            self.keys = pad(self.keys, (0, more, 0, 0, 0, 0, 0, more_rows))
            self.values = pad(self.values, (0, 0, 0, more, 0, 0, 0, more_rows))

    def keep_rows(self, rows: Int[Tensor, " rows"]) -> None:
        """Keep only these slots, in this order."""
        assert self.keys is not None
        assert self.values is not None
        self.keys, self.values = self.keys[rows], self.values[rows]

    def admit(self, prefill: DynamicLayer) -> None:
        """Append a prefilled base to the pool."""
        assert prefill.keys is not None
        assert prefill.values is not None
        keys, values = prefill.keys.transpose(2, 3), prefill.values
        more = keys.shape[3] - self.pool_keys.shape[3]
        old, new = max(0, more), max(0, -more)
        self.pool_keys = torch.cat([pad(self.pool_keys, (0, old)), pad(keys, (0, new))])
        self.pool_values = torch.cat(
            [pad(self.pool_values, (0, 0, 0, old)), pad(values, (0, 0, 0, new))]
        )

    def retire(self, keep: Int[Tensor, " bases"], size: int) -> None:
        """Keep only some bases of the pool, and so many columns of each."""
        self.pool_keys = self.pool_keys[keep, :, :, :size]
        self.pool_values = self.pool_values[keep, :, :size]

    def products(
        self, q: Float[Tensor, "rows groups share dims"], view: View
    ) -> Float[Tensor, "rows groups share keys"]:
        """Queries times keys, of each row's base and then of its slot."""
        assert self.keys is not None
        own = torch.matmul(q, self.keys[: len(q), ..., : view.width])
        return torch.cat([_together(q, self.pool_keys, view), own], dim=-1)

    def mix(
        self, weights: Float[Tensor, "rows groups share keys"], view: View
    ) -> Float[Tensor, "rows groups share dims"]:
        """Values weighted by the attention to base and slot."""
        assert self.values is not None
        pooled = _together(weights[..., : view.size], self.pool_values, view)
        own = weights[..., view.size :]
        return pooled + torch.matmul(own, self.values[: len(weights), :, : view.width])

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """No mask is built outside of `attend`."""
        return query_length, 0

    def get_seq_length(self) -> int:
        """Positions are given to the model explicitly."""
        return 0

    def get_max_length(self) -> int:
        """No limit."""
        return -1


def _together(
    left: Float[Tensor, "rows groups share inner"],
    right: Float[Tensor, "bases groups inner outer"],
    view: View,
) -> Float[Tensor, "rows groups share outer"]:
    """A product with what the rows of a base share: one a base and group instead of one a row."""
    _, groups, share, inner = left.shape
    bases, most = len(right), view.most
    by_base = left[None]
    if bases > 1:
        by_base = left.new_zeros(bases, most, groups, share, inner)
        by_base[view.base, view.place] = left
    flat = by_base.transpose(1, 2).reshape(bases, groups, most * share, inner)
    product = torch.matmul(flat, right).view(bases, groups, most, share, -1)
    return product[view.base, :, view.place] if bases > 1 else product[0].transpose(0, 1)


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **given: Any,
) -> tuple[Tensor, None]:
    """One decode step's attention of every row to its base's prefix and to its own slot.

    `given` is what transformers passes through: `view` and `layers` of the batch, and the module's
    scaling, sliding window, soft cap and sinks.
    """
    view: View = handed("view", given)
    layer: SlotLayer = given["layers"][module.layer_idx]
    rows, heads, _one, dims = query.shape
    q = query.view(rows, key.shape[1], -1, dims) * given["scaling"]
    scores = capped(layer.products(q, view), given.get("softcap"))
    scores = scores + view.mask(given.get("sliding_window"))
    sinks = given.get("s_aux")
    weights = softmax(scores[..., None, :], sinks)[..., 0, :]
    return layer.mix(weights, view).reshape(rows, 1, heads, -1), None


def _no_mask(*args: object, **kwargs: object) -> None:
    """The view carries the mask, so transformers builds none."""


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, _no_mask)
