"""The obvious way: an eager pass over a whole sequence, its mask written out, plain hooks."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from harness import Problem, Sentence, Trace
from harness.models.model import Model, Subject
from tests.conftest import SHAPE

PROMPT = (4, 9, 5, 6)
LENGTHS = (5, 1, 9, 0, 6, 3, 2, 1, 4)  # one beyond the sliding windows, one of nothing


def trace(lengths: Sequence[int] = LENGTHS, lead: int = 2, tail: int = 5) -> Trace:
    """Random tokens in sentences of these lengths, some before and behind them."""
    stops = (lead + np.cumsum(lengths)).tolist()
    sentences = tuple(
        Sentence("", stop - length, stop, None) for stop, length in zip(stops, lengths, strict=True)
    )
    ids = np.random.default_rng(3).integers(3, SHAPE["vocab_size"], lead + sum(lengths) + tail)
    problem = Problem("p", "q", "a", None, "s", "evaluate")
    return Trace(
        "t", problem, "m", "r", 0, PROMPT, tuple(ids.tolist()), "", sentences, "", False, "", ""
    )


def conf(path: object, **checkpoints: str) -> Model:
    return Model(
        "tiny", str(path), None, "float32", "cpu", None, "", "", "", False, checkpoints, ()
    )


def subject_of(config: Model, model: nn.Module) -> Subject:
    """A subject whose weights are these."""
    subject = Subject(config)
    subject.__dict__["model"] = model
    return subject


def seen(n: int, window: int, hidden: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """True where query (row) sees key: causal, within the window, nothing hidden."""
    q, k = np.arange(n)[:, None], np.arange(n)
    able = (k <= q) & (q - k < window)
    for low, high, begin in hidden:
        able &= ~((k >= low) & (k < high) & (q >= begin))
    return able | (np.eye(n, dtype=bool) & ~able.any(1, keepdims=True))


@torch.no_grad()
def whole(
    model: nn.Module,
    ids: Sequence[int],
    hidden: Sequence[tuple[int, int, int]] = (),
    steers: Sequence[tuple[int, Sequence[float], Sequence[int]]] = (),
    layer: int = -1,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and the states after a block, by position, in float64.

    `hidden` are keys [low, high) and the first query that may not see them; `steers` are block,
    vector and positions.
    """
    n = len(ids)
    windows = {
        "full_attention": n,
        "sliding_attention": getattr(model.config, "sliding_window", None) or n,
    }
    masks = {
        kind: torch.where(torch.tensor(seen(n, window, hidden)), 0.0, -1e30)[None, None]
        for kind, window in windows.items()
    }
    model.set_attn_implementation("eager")
    single = not getattr(model.config, "layer_types", None)
    handles = [
        model.model.layers[at].register_forward_hook(pushed(vector, positions))
        for at, vector, positions in steers
    ]
    kept: list[torch.Tensor] = []
    handles.append(
        model.model.layers[layer].register_forward_hook(
            lambda _m, _i, out: kept.append(out[0] if isinstance(out, tuple) else out)
        )
    )
    mask = masks["full_attention"] if single else masks
    logits = model(torch.tensor([[*ids]]), attention_mask=mask, use_cache=False).logits[0]
    for handle in handles:
        handle.remove()
    return torch.log_softmax(logits.double(), -1), kept[0][0].double()


def pushed(vector: Sequence[float], positions: Sequence[int]) -> object:
    def hook(_module: object, _inputs: object, output: object) -> object:
        out = output[0] if isinstance(output, tuple) else output
        for at in positions:
            out[:, at] += torch.tensor(vector)
        return output

    return hook


def nucleus(log_p: torch.Tensor, temperature: float, top_p: float) -> list[float]:
    """Log p of every token as sampled, by its definition."""
    p = torch.softmax(log_p / temperature, -1).tolist()
    kept = [x if sum(y for y in p if y > x) < top_p else 0.0 for x in p]
    return [float(np.log(x / sum(kept))) if x else -np.inf for x in kept]
