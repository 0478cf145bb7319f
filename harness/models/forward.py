"""Readings: teacher-forced passes over a trace, giving only what is asked for.

What predicts token t stands at position t - 1 of the pass; this module is the one place that
shifts, so row t of every reading belongs to token t of the trace.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import starmap
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import linear
from transformers.cache_utils import DynamicCache

from harness.core import Attend, Comparison, Read, Reading, ReadText, Trace, UserError
from harness.models.architectures.layers import decoder, empty_cache
from harness.models.attention import attending, use_exact
from harness.models.conditions import Stretch
from harness.models.edits import Resolved, untouched
from harness.models.hooks import captured
from harness.models.model import Subject, Weights
from harness.models.packing import check, grouped, packed
from harness.statistics.distributions import (
    as_sampled,
    compared,
    entropy_and_logprob,
    top_entropy,
)

ROWS = 512  # tokens whose distributions exist at once
BLOCK = 16  # of which so many are worked on at a time, so that they stay in a processor's cache
SLICE = 8192  # of a vocabulary, of which so much is made float32 at a time
PACK = 1  # tokens of a pass of several conditions, in lengths of the sequence

States = Mapping[int, Float[Tensor, "tokens width"]]


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass of a model over a trace, a row for each token of the trace that it covers.

    `tokens` are these tokens. `final` is what the model's head turns into logits, `states` are the
    outputs of some blocks; `attention` belongs to sentences.
    """

    model: Any
    tokens: Int[np.ndarray, " rows"]
    final: Float[Tensor, "rows width"]
    states: Mapping[int, Float[np.ndarray, "rows width"]]
    attention: Mapping[Attend, Float[np.ndarray, "layers heads sentences"]]


def read(subject: Subject, trace: Trace, want: Read) -> Reading:
    """The fields of `want` from the subject itself, the trace as it is; in nats."""
    (_, made), *_ = passes(subject, trace, [untouched(trace)], want.states)
    if not (want.entropy or want.logprob or want.top_entropy):
        return Reading(states=made.states)
    return reading(made, trace.token_ids, top=(want.top_entropy,) if want.top_entropy else ())


def passes(
    subject: Subject | Weights,
    trace: Trace,
    resolved: Sequence[Resolved],
    layers: Sequence[int] = (),
    attends: Sequence[Attend] = (),
) -> Iterator[tuple[int, Pass]]:
    """A pass over a trace under each of some conditions, by its number, in any order.

    The first is that of the trace as it is; the others read what comes behind their first change
    on its cache. Raises UserError where states overflow, and where there is more than one for a
    model whose attention is not full or sliding softmax attention.
    """
    plain, *others = resolved
    cache = empty_cache(subject.model.config) if others else None
    final, states, attention = _plain(subject, trace, plain, layers, attends, cache)
    yield 0, _pass(subject, trace, plain, final, states, attention)
    if cache is not None:
        check(subject.model)
        for number, new, new_states in _behind(subject.model, others, layers, cache):
            first = others[number].first
            whole = torch.cat([final[:first], *new])
            joined = {n: torch.cat([states[n][:first], *new_states[n]]) for n in layers}
            yield number + 1, _pass(subject, trace, others[number], whole, joined, {})


@torch.inference_mode()
def _plain(
    subject: Subject | Weights,
    trace: Trace,
    plain: Resolved,
    layers: Sequence[int],
    attends: Sequence[Attend],
    cache: DynamicCache | None,
) -> tuple[Tensor, States, Mapping[Attend, np.ndarray]]:
    """Final states and those of blocks by position, and the attention; the cache is filled."""
    model = subject.model
    use_exact(model)
    ids = torch.tensor([plain.ids], device=model.device)
    with ExitStack() as held:
        attention = held.enter_context(attending(model, trace, attends)) if attends else {}
        blocks = held.enter_context(captured(model, layers))
        out = decoder(model)(input_ids=ids, past_key_values=cache, use_cache=cache is not None)
    return out.last_hidden_state[0], {n: blocks[n][0] for n in layers}, attention


def _behind(
    model: Any, resolved: Sequence[Resolved], layers: Sequence[int], cache: DynamicCache
) -> Iterator[tuple[int, list[Tensor], Mapping[int, list[Tensor]]]]:
    """Final states and those of blocks behind the first change of each condition, if any."""
    stretches = [
        Stretch(number, r.first, len(r.ids), r.hidden, r.steered)
        for number, r in enumerate(resolved)
    ]
    yield from ((s.number, [], {n: [] for n in layers}) for s in stretches if not len(s))
    most = PACK * max(len(r.ids) for r in resolved)
    for group in grouped([s for s in stretches if len(s)], most):
        ids = [i for s in group for i in resolved[s.number].ids[s.start :]]
        tokens = torch.tensor(ids, device=model.device)
        found = packed(model, tokens, cache, group, layers=layers)
        for stretch, (final, states) in zip(group, found, strict=True):
            yield stretch.number, [final], {n: [states[n]] for n in layers}


@torch.inference_mode()
def _pass(
    subject: Subject | Weights,
    trace: Trace,
    resolved: Resolved,
    final: Tensor,
    states: States,
    attention: Mapping[Attend, np.ndarray],
) -> Pass:
    """The rows of a sequence that predict the trace's own tokens."""
    tokens, at = resolved.rows()
    rows = torch.from_numpy(at).to(final.device)
    final = final[rows]
    if not final.isfinite().all():
        dtype = str(subject.model.dtype).removeprefix("torch.")
        raise UserError(
            f"model: reading {trace.id} in {dtype} gives states that are not finite; try "
            "model.dtype=float32"
        )
    found = {n: float32(x[rows]) for n, x in states.items()}
    return Pass(subject.model, tokens, final, found, attention)


@torch.inference_mode()
def reading(
    made: Pass,
    token_ids: Sequence[int],
    sampling: tuple[float, float] | None = None,
    top: Sequence[int] = (),
) -> Reading:
    """What the distributions of a pass say of its tokens, a row for each that it covers.

    Entropy and log p at T = 1, `sampled` under a temperature and top-p, and the entropy of the
    likeliest tokens for each number of them in `top`. In nats.
    """
    written = torch.tensor(np.array(token_ids, np.int64)[made.tokens], device=made.final.device)

    def found(logits: Tensor, token: Tensor) -> list[Tensor]:
        values = [*entropy_and_logprob(logits, token), *(top_entropy(logits, k) for k in top)]
        if sampling:
            values.append(as_sampled(logits, *sampling).gather(1, token[:, None])[:, 0])
        return values

    columns = zip(*starmap(found, _blocks(made, written)), strict=True)
    entropy, logprob, *rest = (torch.cat(part).cpu().numpy() for part in columns)
    sampled = rest.pop() if sampling else None
    return Reading(entropy, logprob, made.states, sampled, dict(zip(top, rest, strict=True)))


def _blocks(made: Pass, token: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits and tokens, few rows at a time."""
    for final, some in zip(made.final.split(ROWS), token.split(ROWS), strict=True):
        yield from zip(logits(made.model, final).split(BLOCK), some.split(BLOCK), strict=True)


@torch.inference_mode()
def comparison(of: Pass, to: Pass, tokens: int) -> Comparison:
    """How the distributions of each token that both passes cover differ, NaN for the others.

    All are over the ids that both have; no more than `ROWS` distributions of each exist at once.
    """
    both, here, there = np.intersect1d(of.tokens, to.tokens, return_indices=True)
    found = np.full((3, tokens), np.nan, dtype=np.float32)
    for at in range(0, len(both), ROWS):
        some = slice(at, at + ROWS)
        p = logits(of.model, of.final[torch.from_numpy(here[some]).to(of.final.device)])
        q = logits(to.model, to.final[torch.from_numpy(there[some]).to(to.final.device)])
        blocks = zip(p.split(BLOCK), q.split(BLOCK), strict=True)
        parts = [torch.stack(compared(*block)) for block in blocks]
        found[:, both[some]] = torch.cat(parts, dim=1).cpu().numpy()
    return Comparison(*found)


@torch.inference_mode()
def read_text(subject: Subject, want: ReadText) -> np.ndarray:
    """The state of a text's last token after block `want.layer`, the text standing alone."""
    ids = subject.encode(want.text, special=True)[-subject.context :]
    use_exact(subject.model)
    tokens = torch.tensor([ids], device=subject.model.device)
    with captured(subject.model, (want.layer,)) as blocks:
        decoder(subject.model)(input_ids=tokens, use_cache=False)
    return float32(blocks[want.layer][0, -1])


@torch.inference_mode()
def prefilled(
    model: Any, ids: Int[Tensor, " tokens"]
) -> tuple[Float[Tensor, "tokens width"], DynamicCache]:
    """Final hidden states after the last norm, and the keys and values of all layers."""
    use_exact(model)
    cache = empty_cache(model.config)
    out = decoder(model)(input_ids=ids[None], past_key_values=cache, use_cache=True)
    return out.last_hidden_state[0], cache


def logits(model: Any, hidden: Tensor, *, exact: bool = False) -> Tensor:
    """Float32 logits of final hidden states, as the model's own head computes them.

    `exact` computes them in float32 whatever the weights are in.
    """
    exact &= model.dtype != torch.float32
    out = _exact(model, hidden) if exact else model.get_output_embeddings()(hidden).float()
    config = model.config.get_text_config()
    scale = getattr(config, "logit_scale", None) or 1.0
    scale /= getattr(config, "logits_scaling", None) or 1.0
    out = out if scale == 1.0 else out * scale  # a vocabulary a row: no copy for nothing
    cap = getattr(config, "final_logit_softcapping", None)
    return out if cap is None else torch.tanh(out / cap) * cap


def _exact(model: Any, hidden: Tensor) -> Tensor:
    head, hidden = model.get_output_embeddings(), hidden.float()
    out = torch.cat([linear(hidden, part.float()) for part in head.weight.split(SLICE)], dim=-1)
    return out if head.bias is None else out.add_(head.bias)


def float32(states: Tensor) -> np.ndarray:
    """States as they are kept."""
    return states.float().cpu().numpy()
