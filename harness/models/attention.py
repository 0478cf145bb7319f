"""Attention pooled to sentences during a pass, without the weights of token to token.

Attention is linear in its values: one indicator column a sentence in their place comes out as the
weight that each token gives to each sentence. So the fused kernel pools, with the masks, windows
and grouped heads it has anyway, and nothing of size tokens × tokens is made for it. The columns go
through it beside the values, as many at once as these are wide: it then needs no room of its own.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from harness.core import Attend, Trace, UserError
from harness.models.architectures.layers import (
    attending_layers,
    capped,
    decoder,
    kinds,
    number,
    softmax,
)

NAME = "harness_attending"
ROWS = 256  # queries at once where the weights are written out


@contextmanager
def attending(
    model: Any, trace: Trace, wants: Sequence[Attend]
) -> Generator[dict[Attend, Float[np.ndarray, "layers heads sentences"]]]:
    """The attention of the one pass made inside, filled in when it is left.

    The pass is over prompt and trace, one row, without a cache, and must leave the attention
    implementation as it finds it. Row i of what a summary is given is the mean over the tokens of
    sentence i of the weights their own queries give, column j the mean over the tokens of sentence
    j; NaN for a sentence without tokens, 0 above the diagonal. Heads are query heads, in float32.
    """
    found: dict[Attend, Float[np.ndarray, "layers heads sentences"]] = {}
    first = len(trace.prompt_ids)
    spans = [(first + s.start, first + s.stop) for s in trace.sentences]
    pooling = Pooling(spans, {want: {} for want in wants})
    with watched(model, pooling):
        yield found
    found |= {want: stacked(model.config, layers) for want, layers in pooling.layers.items()}


@runtime_checkable
class Watcher(Protocol):
    """What looks at each layer's attention during a pass."""

    def watch(self, layer: int, attention: "Attention") -> None:
        """Take down what it wants of a layer; called once for each, in their order."""
        ...


@contextmanager
def watched(model: Any, watcher: Watcher) -> Generator[None]:
    """A watcher is shown the attention of every pass made inside."""

    def hand_over(_module: Any, args: Any, kwargs: Any) -> Any:
        return args, {**kwargs, "watcher": watcher}

    before = model.config._attn_implementation
    hook = decoder(model).register_forward_pre_hook(hand_over, with_kwargs=True)
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        hook.remove()
        model.set_attn_implementation(before)


def stacked(
    config: Any, by_layer: Mapping[int, Shaped[np.ndarray, "_ ..."]]
) -> Shaped[np.ndarray, "layers _ ..."]:
    """The summaries numbered by the model's layers, NaN for a layer without attention.

    Raises UserError where a layer with attention has none, or another number of heads.
    """
    missing = attending_layers(config) - set(by_layer)
    shapes = {summary.shape for summary in by_layer.values()}
    if missing or not shapes:
        raise UserError(f"model: the attention of {len(missing)} of its layers is out of reach")
    if len(shapes) > 1:
        raise UserError("model: its layers differ in their number of heads")
    without = np.full(shapes.pop(), np.nan, dtype=np.float32)
    return np.stack([by_layer.get(layer, without) for layer in range(len(kinds(config)))])


def use_exact(model: Any) -> None:
    """Make a model compute the attention that its config says, in every pass the same.

    That is sdpa, which knows no soft cap and no sinks; these are written out. A model that does not
    take an attention from outside keeps its own.
    """
    if model._can_set_attn_implementation():
        cap = getattr(model.config.get_text_config(), "attn_logit_softcapping", None)
        fused = model._supports_sdpa and cap is None
        model.set_attn_implementation("sdpa" if fused else NAME)


@dataclass(frozen=True, eq=False)
class Pooling:
    """Where the sentences stand in the pass, and the summaries of the layers passed so far."""

    spans: Sequence[tuple[int, int]]
    layers: Mapping[Attend, dict[int, np.ndarray]]

    def indicators(self, value: Tensor) -> Sequence[Float[Tensor, "1 groups tokens out"]]:
        """1 where a token belongs to a sentence, in place of the values and as wide, 0 beyond."""
        width = value.shape[-1]
        columns = value.new_zeros(value.shape[-2], -(-len(self.spans) // width) * width)
        for sentence, (start, stop) in enumerate(self.spans):
            columns[start:stop, sentence] = 1
        return [part.expand_as(value) for part in columns.split(width, dim=-1)]

    def rows(
        self, out: Float[Tensor, "1 tokens heads columns"]
    ) -> Float[Tensor, "heads sentences columns"]:
        """Mean over the tokens of each sentence, in float32."""
        means = [out[0, start:stop].mean(0, dtype=torch.float32) for start, stop in self.spans]
        return torch.stack(means, dim=1)

    def watch(self, layer: int, attention: "Attention") -> None:
        """Pool a layer's weights."""
        columns = self.indicators(attention.value)
        self.keep(layer, [self.rows(attention.to(part)) for part in columns])

    def keep(self, layer: int, parts: Sequence[Float[Tensor, "heads sentences columns"]]) -> None:
        """Reduce a layer's weights, summed over the tokens of their columns."""
        weights = torch.cat([*parts], dim=-1)[..., : len(self.spans)]
        lengths = torch.tensor([stop - start for start, stop in self.spans], device=weights.device)
        mean = (weights / lengths).numpy(force=True)
        if any(layer in layers for layers in self.layers.values()):
            raise UserError("model: its layers attend more than once; which attention is meant?")
        for want, layers in self.layers.items():
            layers[layer] = want.summary(mean)


@dataclass(frozen=True, eq=False)
class Attention:
    """A layer's attention: of queries to keys under a mask, which gives values."""

    module: torch.nn.Module
    query: Float[Tensor, "texts heads tokens dims"]
    key: Float[Tensor, "texts groups keys dims"]
    value: Float[Tensor, "texts groups keys out"]
    mask: Bool[Tensor, "_ _ tokens keys"] | None
    given: Mapping[str, Any]

    def to(
        self, value: Float[Tensor, "texts groups keys out"]
    ) -> Float[Tensor, "texts tokens heads out"]:
        """What it gives of other values."""
        return _attended(self.module, self.query, self.key, value, self.mask, self.given)

    def weights(self) -> Iterator[tuple[int, Float[Tensor, "heads rows tokens"]]]:
        """Its weights written out, few queries at once, with the position of the first of them."""
        scaled = self.query * self.given["scaling"]
        for at in range(0, scaled.shape[2], ROWS):
            seen = _seen(self.mask, self.query, self.key.shape[2], at)
            rows = _weights(scaled[:, :, at : at + ROWS], self.key, seen, self.given)
            yield at, rows[0].flatten(0, 1)


def attend(
    module: torch.nn.Module,
    query: Float[Tensor, "texts heads tokens dims"],
    key: Float[Tensor, "texts groups keys dims"],
    value: Float[Tensor, "texts groups keys out"],
    attention_mask: Bool[Tensor, "_ _ tokens keys"] | None,
    **given: Any,
) -> tuple[Float[Tensor, "texts tokens heads out"], None]:
    """A layer's attention output, shown to `given["watcher"]` if there is one."""
    watcher: Watcher | None = given.pop("watcher", None)
    given["scaling"] = given.get("scaling") or query.shape[-1] ** -0.5
    attention = Attention(module, query, key, value, attention_mask, given)
    if watcher is not None:
        watcher.watch(number(module), attention)
    return attention.to(value), None


def _attended(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    given: Mapping[str, Any],
) -> Float[Tensor, "texts tokens heads out"]:
    """Attention to some values; sdpa knows no soft cap and no sinks, which are written out."""
    cap, sinks = given.get("softcap"), given.get("s_aux")
    if cap is None and sinks is None:
        return sdpa_attention_forward(module, query, key, value, mask, **given)[0]
    blocks = [
        _weights(
            query[:, :, at : at + ROWS] * given["scaling"],
            key,
            _seen(mask, query, key.shape[2], at),
            given,
        )
        @ value[:, :, None]
        for at in range(0, query.shape[2], ROWS)
    ]
    return torch.cat(blocks, dim=3).flatten(1, 2).transpose(1, 2)


def _seen(mask: Tensor | None, query: Tensor, keys: int, at: int) -> Bool[Tensor, "_ _ rows keys"]:
    """The keys that some queries, the last of them, may see; no mask means all up to their own."""
    if mask is not None:
        return mask[:, :, at : at + ROWS]
    places = torch.arange(keys, device=query.device)
    own = places[keys - query.shape[2] :]
    return (places <= own[at : at + ROWS, None])[None, None]


def _weights(
    query: Float[Tensor, "texts heads rows dims"],
    key: Float[Tensor, "texts groups keys dims"],
    seen: Bool[Tensor, "_ _ rows keys"],
    given: Mapping[str, Any],
) -> Float[Tensor, "texts groups share rows keys"]:
    """Attention weights of some scaled queries, with a soft cap or sinks or both."""
    cap, sinks = given.get("softcap"), given.get("s_aux")
    scores = capped(query.unflatten(1, (key.shape[1], -1)) @ key[:, :, None].mT, cap)
    return softmax(scores.masked_fill(~seen[:, :, None], -torch.inf), sinks)


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
