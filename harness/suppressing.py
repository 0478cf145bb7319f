"""Suppression: what masking the attention to a sentence does to every distribution after it.

Nothing before a masked sentence changes, so one plain pass leaves keys and values for all sentences
and each of them runs only the tokens behind it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import log_softmax
from transformers.cache_utils import DynamicCache

from harness.packing import NAME, Pack, Run
from harness.reading import logits
from harness.subject import Subject
from harness.types import Suppress, Trace, UserError

PACK = 1  # tokens of one pass, and
KEEP = 8  # final states kept at once, both in lengths of prompt and trace
ROWS = 128  # tokens whose distributions exist at once
MASKED = {"full_attention", "sliding_attention"}  # kinds of layers whose keys can be hidden


@torch.inference_mode()
def suppress(
    subject: Subject, trace: Trace, want: Suppress
) -> Float[np.ndarray, "tokens sentences"]:
    """KL(plain || masked) in nats of every token (row) when a sentence (column) is masked.

    Row t compares the distributions that predict token t. The sentence's keys are hidden from all
    later queries, under `own_rows` from its own too, in all layers and heads and before the softmax
    (Thought Anchors, arXiv 2506.19143). NaN up to where the mask begins and for a sentence without
    tokens. Raises UserError for a model whose attention is not full or sliding softmax attention.
    """
    model = subject.model
    _check(model.config.get_text_config())
    ids = torch.tensor([*trace.prompt_ids, *trace.token_ids], device=model.device)
    shift = len(trace.prompt_ids) - 1  # what predicts token 0 stands here
    plain, cache = _plain(model, ids)
    found = np.full((len(trace.token_ids), len(trace.sentences)), np.nan, dtype=np.float32)
    for kept in _groups(_runs(trace, want.own_rows), KEEP * len(ids)):
        states: list[tuple[Run, Tensor]] = []
        for runs in _groups(kept, PACK * len(ids)):
            states += zip(runs, _masked(model, ids, cache, runs), strict=True)
        for run, at, values in _divergences(model, plain, states, want.temperature):
            found[at - shift : at - shift + len(values), run.sentence] = values
    return found


def _check(config: Any) -> None:
    kinds = set(getattr(config, "layer_types", None) or ()) - MASKED
    if kinds:
        raise UserError(f"model: it has {min(kinds)} layers; no sentence can be masked there")


def _runs(trace: Trace, own_rows: bool) -> list[Run]:
    """What must run, the last sentence first; nothing for one without tokens or none after it."""
    begin, stop = len(trace.prompt_ids), len(trace.prompt_ids) + len(trace.token_ids) - 1
    runs: list[Run] = []
    for number, sentence in enumerate(trace.sentences):
        low, high = begin + sentence.start, begin + sentence.stop
        runs.append(Run(number, low, high, low if own_rows else high, stop))
    return [run for run in reversed(runs) if run.low < run.high and run.start < run.stop]


def _groups(runs: Sequence[Run], tokens: int) -> Iterator[list[Run]]:
    """Neighbours that have at most so many tokens together, one run at least."""
    group, size = list[Run](), 0
    for run in runs:
        if group and size + len(run) > tokens:
            yield group
            group, size = [], 0
        group.append(run)
        size += len(run)
    if group:
        yield group


def _plain(
    model: Any, ids: Int[Tensor, " tokens"]
) -> tuple[Float[Tensor, "tokens width"], DynamicCache]:
    """Final hidden states after the last norm, and the keys and values of all layers."""
    model.set_attn_implementation("sdpa")
    cache = DynamicCache()
    out = model.get_decoder()(input_ids=ids[None], past_key_values=cache, use_cache=True)
    return out.last_hidden_state[0], cache


def _masked(
    model: Any, ids: Int[Tensor, " tokens"], cache: DynamicCache, runs: Sequence[Run]
) -> tuple[Float[Tensor, "_ width"], ...]:
    """Final hidden states of each run."""
    model.set_attn_implementation(NAME)
    positions = torch.cat([torch.arange(run.start, run.stop) for run in runs]).to(ids.device)
    out = model.get_decoder()(
        input_ids=ids[positions][None],
        position_ids=positions[None],
        use_cache=False,
        pack=Pack(runs, cache, positions, model.dtype),
    )
    return out.last_hidden_state[0].split([len(run) for run in runs])


def _divergences(
    model: Any,
    plain: Float[Tensor, "tokens width"],
    states: Sequence[tuple[Run, Tensor]],
    temperature: float,
) -> Iterator[tuple[Run, int, Float[np.ndarray, " rows"]]]:
    """KL in nats of some rows of a run, with the position of the first of them.

    The head is given the rows of all runs together; the plain distribution is made once for all.
    """
    first, last = min(run.start for run, _ in states), states[0][0].stop
    step = max(1, ROWS // (len(states) + 1))
    for low in range(first, last, step):
        high = min(low + step, last)
        there = [(run, max(low, run.start), h) for run, h in states if run.start < high]
        rows = [plain[low:high], *(h[at - run.start : high - run.start] for run, at, h in there)]
        scaled = logits(model, torch.cat(rows)).div_(temperature)
        p_log, *others = scaled.split([len(part) for part in rows])
        p_log = log_softmax(p_log, dim=-1)
        p = p_log.exp()
        for (run, at, _), part in zip(there, others, strict=True):
            apart = log_softmax(part, dim=-1).sub_(p_log[at - low :])
            # Rounding may leave it below 0, where it cannot be.
            kl = apart.mul_(p[at - low :]).sum(-1).neg_().clamp_(min=0)
            yield run, at, kl.cpu().numpy()
