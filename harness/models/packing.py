"""Packs: stretches of tokens behind a cached start, some of the keys before them hidden.

Many stretches lie one behind the other in one sequence of a pass. Nothing is padded, no stretch
sees another, and the cache they continue is never copied.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.cache_utils import DynamicCache

from harness.core import UserError
from harness.models.architectures.layers import (
    capped,
    decoder,
    handed,
    softmax,
    uncached,
)
from harness.models.conditions import Hidden, Stretch
from harness.models.hooks import Addition, captured, steering

NAME = "harness_packs"
TILE = 256  # queries that attend at once, to no more keys than the last of them sees


def positions_read(stretch: Stretch) -> Int[Tensor, " tokens"]:
    """Those of a stretch that are read."""
    spans = stretch.left_out
    ends = (stretch.start, *(end for span in spans for end in span), stretch.stop)
    return torch.cat([torch.arange(*run) for run in zip(ends[::2], ends[1::2], strict=True)])


class Tile(NamedTuple):
    """Some queries of a pack and the keys they may see, both as rows, with the additive mask."""

    queries: slice
    keys: slice
    mask: Float[Tensor, "queries keys"]


@dataclass(eq=False)
class Pack:
    """Stretches that share a pass, and the cache that each of them continues.

    A stretch writes its own keys and values into the cache behind what it continues, and puts back
    what was there, unless they are to be `kept` for what continues the stretch itself.
    """

    stretches: Sequence[Stretch]
    cache: DynamicCache
    positions: Int[Tensor, " tokens"]
    dtype: torch.dtype
    kept: bool
    tiled: dict[tuple[Stretch, int | None], list[Tile]] = field(default_factory=dict)

    def placed(self) -> Iterator[tuple[Stretch, slice]]:
        """Each stretch with its rows in the pack."""
        at = 0
        for stretch in self.stretches:
            yield stretch, slice(at, at + len(stretch))
            at += len(stretch)

    @contextmanager
    def written(
        self, stretch: Stretch, rows: slice, own: Sequence[Tensor], layer: int
    ) -> Generator[tuple[Tensor, Tensor]]:
        """The cached keys and values of a layer with a stretch's own among them."""
        cached: Any = self.cache.layers[layer]
        both = (cached.keys[0], cached.values[0])
        at = self.positions[rows].to(both[0].device)
        before = [] if self.kept else [x[:, stretch.start : stretch.stop].clone() for x in both]
        for x, new in zip(both, own, strict=True):
            x.index_copy_(1, at, new)
        yield both
        for x, old in zip(both, before, strict=False):
            x[:, stretch.start : stretch.stop].copy_(old)

    def tiles(self, stretch: Stretch, rows: slice, window: int | None) -> list[Tile]:
        """The attention of a stretch, made once for all layers of one window."""
        if (stretch, window) not in self.tiled:
            starts = range(rows.start, rows.stop, TILE)
            parts = [slice(at, min(at + TILE, rows.stop)) for at in starts]
            self.tiled[stretch, window] = [self._tile(stretch, part, window) for part in parts]
        return self.tiled[stretch, window]

    def _tile(self, stretch: Stretch, part: slice, window: int | None) -> Tile:
        queries = self.positions[part]
        first, last = int(queries[0]), int(queries[-1])
        first = 0 if window is None else max(0, first - window + 1)
        keys = torch.arange(first, last + 1, device=queries.device)
        mask = _unseen(stretch.hidden, queries, keys, window)
        additive = torch.zeros(mask.shape, dtype=self.dtype, device=mask.device)
        return Tile(part, slice(first, last + 1), additive.masked_fill_(mask, -torch.inf))


def _unseen(
    hidden: Sequence[Hidden],
    queries: Int[Tensor, " queries"],
    keys: Int[Tensor, " keys"],
    window: int | None,
) -> Bool[Tensor, "queries keys"]:
    """True where a query may not see a key, both given by position."""
    apart = queries[:, None] - keys
    # From which query on a key, which are neighbours, is hidden: one number a key.
    until, first = torch.full_like(keys, int(queries[-1]) + 1), int(keys[0])
    for low, high, begin in hidden:
        until[max(0, low - first) : max(0, high - first)].clamp_(max=begin)
    seen = (apart >= 0) & (queries[:, None] < until)
    if window is not None:
        seen &= apart < window
    # Within a sentence longer than the window nothing else is left: such a query keeps itself.
    return ~(seen | ((apart == 0) & ~seen.any(1, keepdim=True)))


def check(model: Any) -> None:
    """Raises UserError for a model whose attention is not full or sliding softmax attention."""
    if why := uncached(model.config):
        raise UserError(f"model: {why}; no sentence can be masked or replaced there")


def grouped(stretches: Sequence[Stretch], tokens: int) -> Iterator[list[Stretch]]:
    """Neighbours that have at most so many tokens together, one stretch at least."""
    group, size = list[Stretch](), 0
    for stretch in stretches:
        if group and size + len(stretch) > tokens:
            yield group
            group, size = [], 0
        group.append(stretch)
        size += len(stretch)
    if group:
        yield group


@torch.inference_mode()
def packed(
    model: Any,
    tokens: Int[Tensor, " tokens"],
    cache: DynamicCache,
    stretches: Sequence[Stretch],
    *,
    layers: Sequence[int] = (),
    kept: bool = False,
) -> list[tuple[Float[Tensor, "_ width"], dict[int, Float[Tensor, "_ width"]]]]:
    """Final hidden states of each stretch, and the outputs of some blocks.

    `tokens` are those of all stretches, one behind the other. `kept` leaves the keys and values of
    the one stretch that there is then in the cache, for others to continue it.
    """
    model.set_attn_implementation(NAME)
    positions = torch.cat([positions_read(stretch) for stretch in stretches]).to(tokens.device)
    _grow(cache, max(stretch.stop for stretch in stretches))
    pack = Pack(stretches, cache, positions, model.dtype, kept)
    with steering(model, _additions(pack)), captured(model, layers) as blocks:
        out = decoder(model)(
            input_ids=tokens[None], position_ids=positions[None], use_cache=False, pack=pack
        )
    final = out.last_hidden_state[0]
    return [(final[at], {n: blocks[n][0, at] for n in layers}) for _, at in pack.placed()]


def _grow(cache: DynamicCache, tokens: int) -> None:
    """Make room for so many tokens."""
    layers: list[Any] = cache.layers
    for layer in layers:
        missing = tokens - layer.keys.shape[2]
        if missing > 0:
            room = (0, 0, 0, missing)
            layer.keys, layer.values = pad(layer.keys, room), pad(layer.values, room)


def _additions(pack: Pack) -> list[Addition]:
    """The vectors that steer some rows of a pack."""
    found: list[Addition] = []
    for stretch, rows in pack.placed():
        own = pack.positions[rows]
        for steered in stretch.steered:
            at = torch.zeros(1, len(pack.positions), dtype=torch.bool, device=own.device)
            at[0, rows] = steered.spans is None
            for low, high in steered.spans or ():
                at[0, rows] |= (own >= low) & (own < high)
            if at.any():
                found.append(Addition(steered.layer, steered.vector, at))
    return found


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **given: Any,
) -> tuple[Tensor, None]:
    """The attention of every stretch of a pack to what it continues and to its own tokens.

    `given` is what transformers passes through: `pack`, and the module's scaling, sliding window,
    soft cap and sinks.
    """
    pack: Pack = handed("pack", given)
    out = query.new_empty(1, query.shape[2], query.shape[1], value.shape[3])
    for stretch, rows in pack.placed():
        own = (key[0, :, rows], value[0, :, rows])
        with pack.written(stretch, rows, own, module.layer_idx) as (keys, values):
            for at, seen, mask in pack.tiles(stretch, rows, given.get("sliding_window")):
                out[0, at] = _mixed(query[0, :, at], keys[:, seen], values[:, seen], mask, given)
    return out, None


def _mixed(
    query: Float[Tensor, "heads queries dims"],
    key: Float[Tensor, "groups keys dims"],
    value: Float[Tensor, "groups keys out"],
    mask: Float[Tensor, "queries keys"],
    given: Mapping[str, Any],
) -> Float[Tensor, "queries heads out"]:
    """Softmax attention; the queries that share a key and value are a batch of views of them."""
    q = query.unflatten(0, (len(key), -1)).transpose(0, 1)
    cap, sinks = given.get("softcap"), given.get("s_aux")
    if cap is sinks is None:
        k, v = key.expand(len(q), -1, -1, -1), value.expand(len(q), -1, -1, -1)
        mixed = scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=given["scaling"])
    else:
        scores = capped(given["scaling"] * q.transpose(0, 1) @ key[:, None].mT, cap) + mask
        weights = softmax(scores[None], sinks)[0]
        mixed = (weights @ value[:, None]).transpose(0, 1)
    return mixed.permute(2, 1, 0, 3).flatten(1, 2)


def _no_mask(*args: object, **kwargs: object) -> None:
    """The pack carries the masks, so transformers builds none."""


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, _no_mask)
