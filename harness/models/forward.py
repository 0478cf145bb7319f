"""Readings: one teacher-forced pass over a trace, giving only what is asked for.

What predicts token t stands at position t - 1 of the pass; this module is the one place that
shifts, so row t of every reading belongs to token t of the trace.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from harness.core import Attend, Read, Reading, ReadText, Trace, UserError
from harness.models.attention import attending
from harness.models.model import Subject

ROWS = 512  # tokens whose distributions exist at once
BLOCK = 16  # of which so many are worked on at a time, so that they stay in a processor's cache


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass of a model over a trace; row t of all it holds belongs to token t.

    `final` is what the model's head turns into logits, `states` are the outputs of some blocks;
    `attention` belongs to sentences.
    """

    model: Any
    final: Float[Tensor, "tokens width"]
    states: Mapping[int, Float[np.ndarray, "tokens width"]]
    attention: Mapping[Attend, Float[np.ndarray, "layers heads sentences"]]


def read(subject: Subject, trace: Trace, want: Read) -> Reading:
    """The fields of `want` from the subject itself; entropy and logprob in nats."""
    made = forward_pass(subject.model, trace, want.states)
    if not (want.entropy or want.logprob):
        return Reading(states=made.states)
    return Reading(*entropy_and_logprob(made, trace.token_ids), made.states)


@torch.inference_mode()
def forward_pass(
    model: Any, trace: Trace, layers: Sequence[int], attends: Sequence[Attend] = ()
) -> Pass:
    """A pass over a trace after its prompt; raises UserError where its states overflow."""
    ids = (*trace.prompt_ids, *trace.token_ids)
    first, last = len(trace.prompt_ids) - 1, len(ids) - 1
    model.set_attn_implementation("sdpa")
    with ExitStack() as held:
        attention = held.enter_context(attending(model, trace, attends)) if attends else {}
        blocks = held.enter_context(captured(model, layers))
        final = _decode(model, ids)[first:last]
    if not final.isfinite().all():
        raise UserError(
            f"model: reading {trace.id} in {str(model.dtype).removeprefix('torch.')} gives states "
            "that are not finite; try model.dtype=float32"
        )
    states = {n: float32(blocks[n][0, first:last]) for n in layers}
    return Pass(model, final, states, attention)


@torch.inference_mode()
def entropy_and_logprob(
    made: Pass, token_ids: Sequence[int]
) -> tuple[Float[np.ndarray, " tokens"], Float[np.ndarray, " tokens"]]:
    """Entropy of each token's distribution and the token's log-probability, in nats."""
    written = torch.tensor(token_ids, dtype=torch.long, device=made.final.device)
    chunks = zip(made.final.split(ROWS), written.split(ROWS), strict=True)
    blocks = (
        block
        for final, token in chunks
        for block in zip(logits(made.model, final).split(BLOCK), token.split(BLOCK), strict=True)
    )
    pairs = [_moments(*block) for block in blocks]
    entropy, logprob = (torch.cat(part).cpu().numpy() for part in zip(*pairs, strict=True))
    return entropy, logprob


@torch.inference_mode()
def divergence(of: Pass, to: Pass) -> Float[np.ndarray, " tokens"]:
    """KL(of || to) of the distributions of each token that both passes cover, in nats.

    Both are over the ids that both models have; no more than `ROWS` distributions exist at once.
    """
    n = min(len(of.final), len(to.final))
    chunks = zip(of.final[:n].split(ROWS), to.final[:n].split(ROWS), strict=True)
    values = [_divergence(logits(of.model, p), logits(to.model, q)) for p, q in chunks]
    return torch.cat(values).cpu().numpy()


@torch.inference_mode()
def read_text(subject: Subject, want: ReadText) -> np.ndarray:
    """The state of a text's last token after block `want.layer`, the text standing alone."""
    ids = subject.encode(want.text, special=True)[-subject.context :]
    subject.model.set_attn_implementation("sdpa")
    with captured(subject.model, (want.layer,)) as blocks:
        _decode(subject.model, ids)
    return float32(blocks[want.layer][0, -1])


def logits(model: Any, hidden: Tensor) -> Tensor:
    """Float32 logits of final hidden states, as the model's own head computes them."""
    out = model.get_output_embeddings()(hidden).float()
    config = model.config.get_text_config()
    scale = getattr(config, "logit_scale", None) or 1.0
    scale /= getattr(config, "logits_scaling", None) or 1.0
    out = out if scale == 1.0 else out * scale  # a vocabulary a row: no copy for nothing
    cap = getattr(config, "final_logit_softcapping", None)
    return out if cap is None else torch.tanh(out / cap) * cap


def _moments(logits: Tensor, token: Tensor) -> tuple[Tensor, Tensor]:
    """H = lse - sum of p z and log p = z - lse: one exponential a vocabulary entry."""
    shifted = _shifted(logits)
    weight = shifted.exp()
    total = weight.sum(-1)
    lse = total.log()
    entropy = lse - torch.linalg.vecdot(weight, shifted) / total
    return entropy, shifted.gather(1, token[:, None])[:, 0] - lse


def _divergence(of: Tensor, to: Tensor) -> Tensor:
    """KL = sum of p (z_p - z_q) - (lse_p - lse_q), over the ids that both have."""
    width = min(of.shape[-1], to.shape[-1])
    p, q = _shifted(of[:, :width]), _shifted(to[:, :width])
    weight = p.exp()
    total = weight.sum(-1)
    cross = torch.linalg.vecdot(weight, p.sub_(q)) / total
    return cross - (total.log() - q.exp_().sum(-1).log())


def _shifted(logits: Tensor) -> Tensor:
    """Logits less their largest, in place; an id at minus infinity then adds nothing to a sum."""
    least = torch.finfo(logits.dtype).min / 2
    return logits.sub_(logits.amax(-1, keepdim=True)).clamp_(min=least)


def _decode(model: Any, ids: Sequence[int]) -> Tensor:
    """Final hidden states of a sequence, after the last norm."""
    tokens = torch.tensor([ids], device=model.device)
    return model.get_decoder()(input_ids=tokens, use_cache=False).last_hidden_state[0]


@contextmanager
def captured(model: Any, layers: Sequence[int]) -> Generator[dict[int, Tensor]]:
    """The outputs of some blocks during a pass, by the number they were asked for under."""
    found: dict[int, Tensor] = {}
    blocks = model.get_decoder().layers

    def keep(layer: int) -> Any:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            found[layer] = output[0] if isinstance(output, tuple) else output

        return hook

    hooks = [blocks[layer].register_forward_hook(keep(layer)) for layer in layers]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def float32(states: Tensor) -> np.ndarray:
    """States as they are kept."""
    return states.float().cpu().numpy()
