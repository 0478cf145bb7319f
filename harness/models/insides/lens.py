"""The logit lens: what a model would predict if it stopped behind each block."""

from math import log
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from harness.core import Trace, UserError
from harness.models.architectures.layers import blocks_of, decoder
from harness.models.attention import use_exact
from harness.models.forward import logits
from harness.models.hooks import captured
from harness.models.model import Subject, Weights
from harness.statistics.distributions import compared

ROWS = 128  # tokens whose distributions exist at once
CLOSE = 1e-2  # relative to the largest state: rounding of half precision, no other norm


@torch.inference_mode()
def lens(subject: Subject | Weights, trace: Trace) -> Float[np.ndarray, "blocks tokens"]:
    """JSD in bits between what each block but the last predicts and what the last one does.

    Row t belongs to token t: the position that predicts it. The states of all blocks exist at once.
    Raises UserError for a model whose last norm is out of reach.
    """
    model = subject.model
    use_exact(model)
    ids = torch.tensor([[*trace.prompt_ids, *trace.token_ids]], device=model.device)
    blocks, first = len(blocks_of(model)), len(trace.prompt_ids) - 1
    with captured(model, range(blocks)) as states:
        final = decoder(model)(input_ids=ids, use_cache=False).last_hidden_state[0]
    norm = last_norm(model, states[blocks - 1][0], final)
    found = np.full((blocks - 1, len(trace.token_ids)), np.nan, np.float32)
    for at in range(0, len(trace.token_ids), ROWS):
        rows = slice(first + at, first + min(at + ROWS, len(trace.token_ids)))
        last = logits(model, final[rows])
        for layer in range(blocks - 1):
            early = logits(model, norm(states[layer][0, rows]))
            js = compared(last, early)[1] / log(2)
            found[layer, at : at + len(last)] = js.clamp(0, 1).cpu().numpy()
    return found


def last_norm(
    model: Any, before: Float[Tensor, "tokens width"], after: Float[Tensor, "tokens width"]
) -> nn.Module:
    """The norm between the last block and the head, found by what it makes of the last states.

    Raises UserError where no part of the model makes it.
    """
    norms = [m for m in decoder(model).children() if "norm" in type(m).__name__.lower()]
    for norm in norms:
        made = norm(before)
        if made.shape == after.shape and (made - after).abs().max() <= CLOSE * after.abs().max():
            return norm
    raise UserError("model: the norm before its head is out of reach; its blocks predict nothing")
