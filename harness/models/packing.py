"""Packs: tokens run behind a trace's cached start: its own with some keys hidden, or others.

Many runs lie one behind the other in one sequence of a pass. Nothing is padded, no run sees
another, and the cache they continue is never copied.
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

from harness.core import UserError

NAME = "harness_packs"
KINDS = {"full_attention", "sliding_attention"}  # of layers whose keys can be cached and hidden
TILE = 256  # queries that attend at once, to no more keys than the last of them sees


@dataclass(frozen=True)
class Stretch:
    """The positions [start, stop) without the keys [low, high); no two runs of a pack are equal."""

    number: int
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
    """Runs that share a pass, the last in the trace first, and the cache of the plain pass.

    A run writes its own keys into the cache, over the masked ones and all behind them: the runs
    after it begin no later and read only what lies before that.
    """

    runs: Sequence[Stretch]
    cache: DynamicCache
    positions: Int[Tensor, " tokens"]
    dtype: torch.dtype
    tiled: dict[tuple[Stretch, int | None], list[Tile]] = field(default_factory=dict)

    def placed(self) -> Iterator[tuple[Stretch, slice]]:
        """Each run with its rows in the pack."""
        at = 0
        for run in self.runs:
            yield run, slice(at, at + len(run))
            at += len(run)

    def tiles(self, run: Stretch, rows: slice, window: int | None) -> list[Tile]:
        """The attention of a run, made once for all layers of one window."""
        if (run, window) not in self.tiled:
            starts = range(rows.start, rows.stop, TILE)
            parts = [slice(at, min(at + TILE, rows.stop)) for at in starts]
            self.tiled[run, window] = [self._tile(run, rows, part, window) for part in parts]
        return self.tiled[run, window]

    def _tile(self, run: Stretch, rows: slice, part: slice, window: int | None) -> Tile:
        queries = self.positions[part]
        before = torch.arange(run.low, device=queries.device)
        keys = torch.cat([before, self.positions[rows.start : part.stop]])
        first = 0 if window is None else int((keys <= queries[0] - window).sum())
        mask = _hidden(run, queries, keys[first:], window)
        additive = torch.zeros(mask.shape, dtype=self.dtype, device=mask.device)
        return Tile(part, slice(first, len(keys)), additive.masked_fill_(mask, -torch.inf))


def _hidden(
    run: Stretch, queries: Int[Tensor, " queries"], keys: Int[Tensor, " keys"], window: int | None
) -> Bool[Tensor, "queries keys"]:
    """True where a query may not see a key, both given by position."""
    apart = queries[:, None] - keys
    seen = (apart >= 0) & ((keys < run.low) | (keys >= run.high))
    if window is not None:
        seen &= apart < window
    # Within a sentence longer than the window nothing else is left: such a query keeps itself.
    return ~(seen | ((apart == 0) & ~seen.any(1, keepdim=True)))


def check(model: Any) -> None:
    """Raises UserError for a model whose attention is not full or sliding softmax attention."""
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or ()) - KINDS
    if kinds:
        raise UserError(
            f"model: it has {min(kinds)} layers; no sentence can be masked or replaced there"
        )


def grouped(runs: Sequence[Stretch], tokens: int) -> Iterator[list[Stretch]]:
    """Neighbours that have at most so many tokens together, one run at least."""
    group, size = list[Stretch](), 0
    for run in runs:
        if group and size + len(run) > tokens:
            yield group
            group, size = [], 0
        group.append(run)
        size += len(run)
    if group:
        yield group


def plain(
    model: Any, ids: Int[Tensor, " tokens"]
) -> tuple[Float[Tensor, "tokens width"], DynamicCache]:
    """Final hidden states after the last norm, and the keys and values of all layers."""
    model.set_attn_implementation("sdpa")
    cache = DynamicCache()
    out = model.get_decoder()(input_ids=ids[None], past_key_values=cache, use_cache=True)
    return out.last_hidden_state[0], cache


def packed(
    model: Any, tokens: Int[Tensor, " tokens"], cache: DynamicCache, runs: Sequence[Stretch]
) -> tuple[Float[Tensor, "_ width"], ...]:
    """Final hidden states of each run; `tokens` are those of all runs, one behind the other."""
    model.set_attn_implementation(NAME)
    positions = torch.cat([torch.arange(run.start, run.stop) for run in runs]).to(tokens.device)
    out = model.get_decoder()(
        input_ids=tokens[None],
        position_ids=positions[None],
        use_cache=False,
        pack=Pack(runs, cache, positions, model.dtype),
    )
    return out.last_hidden_state[0].split([len(run) for run in runs])


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
        raise UserError(
            "model: its attention has soft caps or sinks; no sentence can be masked or replaced"
        )
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
