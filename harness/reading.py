"""Readings: one teacher-forced pass over a trace, giving only what is asked for.

What predicts token t stands at position t - 1 of the pass; this module is the one place that
shifts, so row t of every reading belongs to token t of the trace.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.subject import Subject
from harness.types import Read, Reading, ReadText, Trace

ROWS = 256  # tokens whose distributions exist at once


@torch.inference_mode()
def read(subject: Subject, trace: Trace, want: Read) -> Reading:
    """The fields of `want`, row t for token t of the trace; entropy and logprob in nats."""
    ids = (*trace.prompt_ids, *trace.token_ids)
    first, last = len(trace.prompt_ids) - 1, len(ids) - 1
    with _captured(subject.model, want.states) as blocks:
        hidden = _decode(subject.model, ids)[first:last]
    states = {layer: _float32(blocks[layer][0, first:last]) for layer in want.states}
    if not (want.entropy or want.logprob):
        return Reading(states=states)
    written = torch.tensor(trace.token_ids, device=hidden.device)
    pairs = [
        _moments(logits(subject.model, hidden[at : at + ROWS]), written[at : at + ROWS])
        for at in range(0, len(hidden), ROWS)
    ]
    entropy, logprob = (torch.cat(part).cpu().numpy() for part in zip(*pairs, strict=True))
    return Reading(entropy, logprob, states)


@torch.inference_mode()
def read_text(subject: Subject, want: ReadText) -> np.ndarray:
    """The state of a text's last token after block `want.layer`, the text standing alone."""
    ids = subject.encode(want.text, special=True)[-subject.context :]
    with _captured(subject.model, (want.layer,)) as blocks:
        _decode(subject.model, ids)
    return _float32(blocks[want.layer][0, -1])


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
    """Entropy of each row's distribution and the log-probability of its token, in nats."""
    logp = torch.log_softmax(logits, dim=-1)
    entropy = -(logp.exp() * logp.clamp(min=torch.finfo(logp.dtype).min)).sum(-1)
    return entropy, logp.gather(1, token[:, None])[:, 0]


def _decode(model: Any, ids: Sequence[int]) -> Tensor:
    """Final hidden states of a sequence, after the last norm."""
    model.set_attn_implementation("sdpa")
    tokens = torch.tensor([ids], device=model.device)
    return model.get_decoder()(input_ids=tokens, use_cache=False).last_hidden_state[0]


@contextmanager
def _captured(model: Any, layers: Sequence[int]) -> Generator[dict[int, Tensor]]:
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


def _float32(states: Tensor) -> np.ndarray:
    return states.float().cpu().numpy()
