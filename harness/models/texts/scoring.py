"""One pass over texts that share it: the log p of their tokens, and the states they end with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from transformers.cache_utils import DynamicCache

from harness.models.conditions import Stretch
from harness.models.forward import ROWS, float32, logits
from harness.models.packing import packed
from harness.models.texts.parts import Continuation, Part
from harness.statistics.distributions import as_sampled, entropy_and_logprob


@dataclass(frozen=True, eq=False)
class Score:
    """Log p of each scored token in nats, and the last token's state by block."""

    logprob: Float[np.ndarray, " tokens"]
    states: Mapping[int, Float[np.ndarray, " width"]]


@torch.inference_mode()
def scored(
    model: Any, cache: DynamicCache, group: Sequence[tuple[Part, Stretch]]
) -> list[tuple[int, Continuation, Score]]:
    """The score of each text of a group, with the number of its condition."""
    some, asked = [part.continuation for part, _ in group], group[0][0].asked
    ids = [i for part, stretch in group for i in part.tokens(stretch)]
    tokens = torch.tensor(ids, device=model.device)
    made = packed(model, tokens, cache, [stretch for _, stretch in group], layers=asked.layers)
    pairs = zip(group, made, strict=True)
    final = torch.cat([part.predicting(stretch, h) for (part, stretch), (h, _) in pairs])
    written = torch.tensor([i for c in some for i in c.ids[c.given :]], device=final.device)
    values = logprobs(model, final, written, asked.sampled)
    ends = np.cumsum([len(c.ids) - c.given for c in some])[:-1]
    states = [{n: float32(x[-1]) for n, x in blocks.items()} for _, blocks in made]
    numbers = [part.number for part, _ in group]
    found = [Score(*pair) for pair in zip(np.split(values, ends), states, strict=True)]
    return [*zip(numbers, some, found, strict=True)]


def logprobs(
    model: Any, final: Tensor, token: Tensor, sampled: tuple[float, float] | None
) -> Float[np.ndarray, " tokens"]:
    """Log p of tokens given the states that predict them."""
    found: list[Tensor] = []
    for hidden, some in zip(final.split(ROWS), token.split(ROWS), strict=True):
        z = logits(model, hidden)
        if sampled is None:
            found.append(entropy_and_logprob(z, some)[1])
        else:
            found.append(as_sampled(z, *sampled).gather(1, some[:, None])[:, 0])
    return torch.cat(found).cpu().numpy()
