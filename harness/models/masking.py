"""Suppression: what masking the attention to a sentence does to every distribution after it.

Nothing before a masked sentence changes, so one plain pass leaves keys and values for all sentences
and each of them runs only the tokens behind it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import log_softmax

from harness.core import Suppress, Trace
from harness.models.conditions import Hidden, Stretch
from harness.models.forward import logits, prefilled
from harness.models.model import Subject, Weights
from harness.models.packing import check, grouped, packed
from harness.statistics.distributions import kl

PACK = 1  # tokens of one pass, and
KEEP = 8  # final states kept at once, both in lengths of prompt and trace
ROWS = 512  # tokens whose distributions exist at once
BLOCK = 16  # positions compared at a time, so that they stay in a processor's cache

Rows = Float[Tensor, "rows vocab"]


@torch.inference_mode()
def suppress(
    subject: Subject | Weights, trace: Trace, want: Suppress
) -> Float[np.ndarray, "tokens sentences"]:
    """KL(plain || masked) in nats of every token (row) when a sentence (column) is masked.

    Row t compares the distributions that predict token t, their logits made in float32. The
    subject is the checkpoint that is wanted. The sentence's keys are hidden from all later queries,
    under `own_rows` from its own too, in all layers and heads and before the softmax (Thought
    Anchors, arXiv 2506.19143). NaN up to where the mask begins and for a sentence without tokens.
    Raises UserError for a model whose attention is not full or sliding softmax attention.
    """
    model = subject.model
    check(model)
    ids = torch.tensor([*trace.prompt_ids, *trace.token_ids], device=model.device)
    shift = len(trace.prompt_ids) - 1  # what predicts token 0 stands here
    unmasked, cache = prefilled(model, ids)
    found = np.full((len(trace.token_ids), len(trace.sentences)), np.nan, dtype=np.float32)
    for kept in grouped(_stretches(trace, want.own_rows), KEEP * len(ids)):
        states: list[tuple[Stretch, Tensor]] = []
        for group in grouped(kept, PACK * len(ids)):
            tokens = torch.cat([ids[stretch.start : stretch.stop] for stretch in group])
            finals = (final for final, _ in packed(model, tokens, cache, group))
            states += zip(group, finals, strict=True)
        for stretch, at, values in _divergences(model, unmasked, states, want.temperature):
            found[at - shift : at - shift + len(values), stretch.number] = values
    return found


def _stretches(trace: Trace, own_rows: bool) -> list[Stretch]:
    """What must be read, the last sentence first; nothing for one without tokens or none after it.

    In this order what is kept at once is as even as it can be.
    """
    begin, stop = len(trace.prompt_ids), len(trace.prompt_ids) + len(trace.token_ids) - 1
    found: list[Stretch] = []
    for number, sentence in enumerate(trace.sentences):
        low, high = begin + sentence.start, begin + sentence.stop
        start = low if own_rows else high
        if low < high and start < stop:
            found.append(Stretch(number, start, stop, (Hidden(low, high, start),)))
    return found[::-1]


def _divergences(
    model: Any,
    plain: Float[Tensor, "tokens width"],
    states: Sequence[tuple[Stretch, Tensor]],
    temperature: float,
) -> Iterator[tuple[Stretch, int, Float[np.ndarray, " rows"]]]:
    """KL in nats of some rows of a stretch, with the position of the first of them.

    The model's head is given the rows of all together; the plain distribution is made once for all.
    """
    first, last = min(stretch.start for stretch, _ in states), states[0][0].stop
    step = max(1, ROWS // (len(states) + 1))
    for low in range(first, last, step):
        high = min(low + step, last)
        there = [(s, max(low, s.start), h) for s, h in states if s.start < high]
        rows = [plain[low:high], *(h[at - s.start : high - s.start] for s, at, h in there)]
        scaled = logits(model, torch.cat(rows), exact=True).div_(temperature)
        p, *others = scaled.split([len(part) for part in rows])
        p_log = log_softmax(p, dim=-1)
        p = p_log.exp()
        for (stretch, at, _), part in zip(there, others, strict=True):
            yield stretch, at, _kl(p[at - low :], p_log[at - low :], part).cpu().numpy()


def _kl(p: Rows, p_log: Rows, logits: Rows) -> Float[Tensor, " rows"]:
    """KL in nats of what the logits say from p, block by block."""
    blocks = zip(*(x.split(BLOCK) for x in (p, p_log, logits)), strict=True)
    return torch.cat([kl(of, of_log, log_softmax(to, dim=-1)) for of, of_log, to in blocks])
