"""Distances of attention: how far each head looks back, and what is looked back to from afar."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from harness.core import Reach, Reached, Trace, UserError
from harness.models.architectures.layers import decoder
from harness.models.attention import Attention, stacked, watched
from harness.models.model import Subject, Weights

Layer = tuple[np.ndarray, np.ndarray, np.ndarray]  # distance, windowed, received


@torch.inference_mode()
def reach(subject: Subject | Weights, trace: Trace, wants: Sequence[Reach]) -> dict[Reach, Reached]:
    """Distances in tokens and weights of every head, from one pass with the weights written out.

    A distance is from the query of a token to the key that it attends to, the prompt's too; only
    the trace's own queries count. Never more than a few rows of weights exist at once. Raises
    UserError where a layer's attention is out of reach.
    """
    model, watcher = subject.model, Distances(trace, wants)
    ids = torch.tensor([[*trace.prompt_ids, *trace.token_ids]], device=model.device)
    with watched(model, watcher):
        decoder(model)(input_ids=ids, use_cache=False)
    return {want: _reached(model.config, watcher.layers, want) for want in wants}


def _reached(config: Any, layers: Mapping[int, Mapping[Reach, Layer]], want: Reach) -> Reached:
    """The layers together."""
    found = [{n: found[want][kind] for n, found in layers.items()} for kind in range(3)]
    return Reached(*(stacked(config, part) for part in found))


@dataclass(frozen=True, eq=False)
class Distances:
    """What the layers passed so far say; the trace's tokens stand behind its prompt."""

    trace: Trace
    wants: Sequence[Reach]
    layers: dict[int, dict[Reach, Layer]] = field(default_factory=dict[int, dict[Reach, Layer]])

    def watch(self, layer: int, attention: Attention) -> None:
        """Reduce a layer's weights, block by block of queries."""
        if layer in self.layers:
            raise UserError("model: its layers attend more than once; which attention is meant?")
        first, tokens = len(self.trace.prompt_ids), len(self.trace.token_ids)
        heads, device = attention.query.shape[1], attention.query.device
        empty = torch.zeros(heads, first + tokens, device=device)
        distance = empty.clone()
        windowed = {want.window: empty.clone() for want in self.wants}
        received = {(want.near, want.far): empty.clone() for want in self.wants}
        key = torch.arange(first + tokens, device=device)
        for at, weights in attention.weights():
            query = torch.arange(at, at + weights.shape[1], device=device)
            away, w = (query[:, None] - key).clamp(min=0), weights.float()
            distance[:, query] = _sum(w, away)
            for window, sums in windowed.items():
                sums[:, query] = _sum(w, away.clamp(max=window))
            for span, sums in received.items():
                counted = _counted(away, *span) & (query >= first)[:, None]
                sums.add_(torch.einsum("hrk,rk->hk", w, counted.float()))
        own = slice(first, first + tokens)
        far = distance[:, own].mean(1).numpy(force=True)
        near = {k: self._pooled(sums[:, own].numpy(force=True)) for k, sums in windowed.items()}
        back = {
            span: self._pooled(sums[:, own].numpy(force=True) / _behind(tokens, *span))
            for span, sums in received.items()
        }
        self.layers[layer] = {w: (far, near[w.window], back[w.near, w.far]) for w in self.wants}

    def _pooled(self, values: Float[np.ndarray, "heads tokens"]) -> np.ndarray:
        """The mean of what is known over the tokens of each sentence; NaN where nothing is."""
        known = np.isfinite(values)
        found = np.full((len(values), len(self.trace.sentences)), np.nan, np.float32)
        for i, s in enumerate(self.trace.sentences):
            some = known[:, s.start : s.stop]
            if some.any():
                total = np.where(some, values[:, s.start : s.stop], 0).sum(1)
                found[:, i] = total / some.sum(1)
        return found


def _counted(away: Int[Tensor, "rows tokens"], near: int, far: int | None) -> Tensor:
    """The pairs near enough and far enough apart."""
    return (away >= near) & (away <= (away.shape[1] if far is None else far))


def _behind(tokens: int, near: int, far: int | None) -> Float[np.ndarray, " tokens"]:
    """How many tokens count behind each token; NaN for none."""
    last = tokens if far is None else far
    left = np.minimum(last, tokens - 1 - np.arange(tokens)) - near + 1
    return np.where(left > 0, left, np.nan).astype(np.float32)


def _sum(weights: Float[Tensor, "heads rows tokens"], away: Tensor) -> Float[Tensor, "heads rows"]:
    """The weighted sum of each row."""
    return torch.einsum("hrk,rk->hr", weights, away.float())
