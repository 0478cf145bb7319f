"""Distances of attention: how far each head looks back, and what is looked back to from afar."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from harness.core import Reach, Reached, Trace, UserError
from harness.models.architectures.layers import decoder
from harness.models.attention import Attention, stacked, watched
from harness.models.model import Subject, Weights

Layer = tuple[np.ndarray, np.ndarray, np.ndarray]  # distance, windowed, received


@torch.inference_mode()
def reach(subject: Subject | Weights, trace: Trace, want: Reach) -> Reached:
    """Distances in tokens and weights of every head, from one pass with the weights written out.

    A distance is from the query of a token to the key that it attends to, the prompt's too; only
    the trace's own queries count. Never more than a few rows of weights exist at once. Raises
    UserError where a layer's attention is out of reach.
    """
    model, watcher = subject.model, Distances(trace, want)
    ids = torch.tensor([[*trace.prompt_ids, *trace.token_ids]], device=model.device)
    with watched(model, watcher):
        decoder(model)(input_ids=ids, use_cache=False)
    found = [{n: parts[kind] for n, parts in watcher.layers.items()} for kind in range(3)]
    return Reached(*(stacked(model.config, part) for part in found))


@dataclass(frozen=True, eq=False)
class Distances:
    """What the layers passed so far say; the trace's tokens stand behind its prompt."""

    trace: Trace
    want: Reach
    layers: dict[int, Layer] = field(default_factory=dict[int, Layer])

    def watch(self, layer: int, attention: Attention) -> None:
        """Reduce a layer's weights, block by block of queries."""
        if layer in self.layers:
            raise UserError("model: its layers attend more than once; which attention is meant?")
        first, tokens = len(self.trace.prompt_ids), len(self.trace.token_ids)
        heads, device = attention.query.shape[1], attention.query.device
        distance, windowed, received = (
            torch.zeros(heads, first + tokens, device=device) for _ in range(3)
        )
        key = torch.arange(first + tokens, device=device)
        for at, weights in attention.weights():
            query = torch.arange(at, at + weights.shape[1], device=device)
            away = (query[:, None] - key).clamp(min=0)
            w = weights.float()
            distance[:, query] = _sum(w, away)
            windowed[:, query] = _sum(w, away.clamp(max=self.want.window))
            counted = self._counted(away) & (query >= first)[:, None]
            received += torch.einsum("hrk,rk->hk", w, counted.float())
        own = slice(first, first + tokens)
        shares = received[:, own].numpy(force=True) / self._behind(tokens)
        self.layers[layer] = (
            distance[:, own].mean(1).numpy(force=True),
            self._pooled(windowed[:, own].numpy(force=True)),
            self._pooled(shares),
        )

    def _counted(self, away: Tensor) -> Tensor:
        """The pairs near enough and far enough apart."""
        far = away.shape[1] if self.want.far is None else self.want.far
        return (away >= self.want.near) & (away <= far)

    def _behind(self, tokens: int) -> Float[np.ndarray, " tokens"]:
        """How many tokens count behind each token; NaN for none."""
        far = tokens if self.want.far is None else self.want.far
        left = np.minimum(far, tokens - 1 - np.arange(tokens)) - self.want.near + 1
        return np.where(left > 0, left, np.nan).astype(np.float32)

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


def _sum(weights: Float[Tensor, "heads rows tokens"], away: Tensor) -> Float[Tensor, "heads rows"]:
    """The weighted sum of each row."""
    return torch.einsum("hrk,rk->hr", weights, away.float())
