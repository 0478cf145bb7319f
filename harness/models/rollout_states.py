"""Beginnings: the states at the end of the first sentences that rollouts wrote.

The trace is read once; what rollouts wrote at any of its boundaries runs behind its cached start.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from harness.core import Trace
from harness.models.forward import float32
from harness.models.model import Subject
from harness.models.packing import Stretch, check, grouped, packed, plain

PACK = 1  # tokens of one pass, in lengths of the prompt and trace

Beginning = tuple[int, tuple[int, ...]]  # tokens of the trace before it, and its own


@torch.inference_mode()
def ends(
    subject: Subject, trace: Trace, beginnings: Sequence[Beginning], layer: int
) -> dict[Beginning, Float[np.ndarray, " width"]]:
    """The state of the last token of each beginning after block `layer`, none for an empty one."""
    model, shift = subject.model, len(trace.prompt_ids)
    check(model)
    order = sorted({b for b in beginnings if b[1]}, reverse=True)  # a pack runs backwards
    starts = [shift + before for before, _ in order]
    runs = [Stretch(n, at, at + len(order[n][1])) for n, at in enumerate(starts)]
    if not runs:
        return {}
    _, cache = plain(model, torch.tensor(_roomy(trace, runs), device=model.device))
    found: dict[Beginning, np.ndarray] = {}
    for group in grouped(runs, PACK * (shift + len(trace.token_ids))):
        begun = [order[run.number] for run in group]
        tokens = torch.tensor([i for _, ids in begun for i in ids], device=model.device)
        states = [
            blocks[layer][-1] for _, blocks in packed(model, tokens, cache, group, layers=(layer,))
        ]
        found |= dict(zip(begun, map(float32, states), strict=True))
    return found


def _roomy(trace: Trace, runs: Sequence[Stretch]) -> list[int]:
    """The tokens that runs continue, and some more: a run writes its keys over those behind it."""
    ids, most = [*trace.prompt_ids, *trace.token_ids], max(run.stop for run in runs)
    return (ids + ids[-1:] * (most - len(ids)))[:most]
