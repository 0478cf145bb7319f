"""Packs: tokens of a trace run anew behind its cached start, with some of its keys hidden.

Runs of many hidden sentences lie one behind the other in one sequence of a pass. Nothing is padded,
no run sees another, and the cache they continue is never copied.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.cache_utils import DynamicCache

from harness.types import UserError

NAME = "harness_packs"
TILE = 256  # queries that attend at once, to no more keys than the last of them sees


@dataclass(frozen=True)
class Run:
    """The positions [start, stop) without the keys [low, high), those of a sentence."""

    sentence: int
    low: int
    high: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


class Tile(NamedTuple):
    """Some queries of a pack and the keys they may see, both as rows, with the additive mask."""

    queries: slice
    keys: slice
    mask: Float[Tensor, "queries keys"]


@dataclass(eq=False)
class Pack:
    """Runs that share a pass, the last sentence first, and the cache of the plain pass.

    A run writes its own keys into the cache, over the masked ones and all behind them: the runs
    after it are of earlier sentences and read only what lies before those.
    """

    runs: Sequence[Run]
    cache: DynamicCache
    positions: Int[Tensor, " tokens"]
    dtype: torch.dtype
    tiled: dict[tuple[Run, int | None], list[Tile]] = field(default_factory=dict)

    def placed(self) -> Iterator[tuple[Run, slice]]:
        """Each run with its rows in the pack."""
        at = 0
        for run in self.runs:
            yield run, slice(at, at + len(run))
            at += len(run)

    def tiles(self, run: Run, rows: slice, window: int | None) -> list[Tile]:
        """The attention of a run, made once for all layers of one window."""
        if (run, window) not in self.tiled:
            starts = range(rows.start, rows.stop, TILE)
            parts = [slice(at, min(at + TILE, rows.stop)) for at in starts]
            self.tiled[run, window] = [self._tile(run, rows, part, window) for part in parts]
        return self.tiled[run, window]

    def _tile(self, run: Run, rows: slice, part: slice, window: int | None) -> Tile:
        queries = self.positions[part]
        before = torch.arange(run.low, device=queries.device)
        keys = torch.cat([before, self.positions[rows.start : part.stop]])
        first = 0 if window is None else int((keys <= queries[0] - window).sum())
        mask = _hidden(run, queries, keys[first:], window)
        additive = torch.zeros(mask.shape, dtype=self.dtype, device=mask.device)
        return Tile(part, slice(first, len(keys)), additive.masked_fill_(mask, -torch.inf))


def _hidden(
    run: Run, queries: Int[Tensor, " queries"], keys: Int[Tensor, " keys"], window: int | None
) -> Bool[Tensor, "queries keys"]:
    """True where a query may not see a key, both given by position."""
    apart = queries[:, None] - keys
    seen = (apart >= 0) & ((keys < run.low) | (keys >= run.high))
    if window is not None:
        seen &= apart < window
    # Within a sentence longer than the window nothing else is left: such a query keeps itself.
    return ~(seen | ((apart == 0) & ~seen.any(1, keepdim=True)))


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **given: Any,
) -> tuple[Tensor, None]:
    """The attention of every run of a pack to the tokens before its sentence and to its own.

    `given` is what transformers passes through: `pack`, and the module's scaling, sliding window,
    soft cap and sinks.
    """
    if given.get("softcap") is not None or given.get("s_aux") is not None:
        raise UserError("model: its attention has soft caps or sinks; no sentence can be masked")
    pack: Pack = given["pack"]
    layer = pack.cache.layers[module.layer_idx]
    keys, values = layer.keys[0], layer.values[0]
    out = query.new_empty(1, query.shape[2], query.shape[1], value.shape[3])
    for run, rows in pack.placed():
        keys[:, run.low : run.low + len(run)] = key[0, :, rows]
        values[:, run.low : run.low + len(run)] = value[0, :, rows]
        for at, seen, mask in pack.tiles(run, rows, given.get("sliding_window")):
            out[0, at] = _mixed(
                query[0, :, at], keys[:, seen], values[:, seen], mask, given["scaling"]
            )
    return out, None


def _mixed(
    query: Float[Tensor, "heads queries dims"],
    key: Float[Tensor, "groups keys dims"],
    value: Float[Tensor, "groups keys out"],
    mask: Float[Tensor, "queries keys"],
    scaling: float,
) -> Float[Tensor, "queries heads out"]:
    """Softmax attention; the queries that share a key and value are a batch of views of them."""
    q = query.unflatten(0, (len(key), -1)).transpose(0, 1)
    k, v = key.expand(len(q), -1, -1, -1), value.expand(len(q), -1, -1, -1)
    mixed = scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scaling)
    return mixed.permute(2, 1, 0, 3).flatten(1, 2)


def _no_mask(*args: object, **kwargs: object) -> None:
    """The pack carries the masks, so transformers builds none."""


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, _no_mask)
