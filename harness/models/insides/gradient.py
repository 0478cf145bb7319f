"""Input gradients: which tokens of a trace an answer forced behind it is sensitive to."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import log_softmax

from harness.core import Gradient, Trace, UserError
from harness.models.architectures.layers import decoder
from harness.models.attention import use_exact
from harness.models.forward import logits
from harness.models.model import Subject


def gradient(subject: Subject, trace: Trace, want: Gradient) -> Float[np.ndarray, " tokens"]:
    """Gradient times embedding, summed over the width, of each token of the reasoning.

    The text is encoded alone and forced behind the reasoning and what is appended. The backward
    pass keeps the activations of the whole sequence. NaN for the tokens behind the reasoning, and
    for all where it does not fit into the context. Raises UserError for a text without tokens.
    """
    found = np.full(len(trace.token_ids), np.nan, np.float32)
    text = subject.encode(want.text)
    if not text:
        raise UserError("gradient: the text has no tokens; there is nothing to be likely")
    reasoning = trace.reasoning
    written = trace.token_ids[: reasoning.stop]
    given = subject.encode(want.append) if want.append else ()
    ids = (*trace.prompt_ids, *written, *given, *text)
    if len(ids) > subject.context:
        return found
    first = len(trace.prompt_ids)
    span = slice(first, first + len(written))
    found[: reasoning.stop] = _saliency(subject.model, ids, span, len(text), want)
    return found


def _saliency(
    model: Any, ids: Sequence[int], span: slice, scored: int, want: Gradient
) -> Float[np.ndarray, " tokens"]:
    """Gradient times embedding at some positions, of what becomes of the last `scored` tokens."""
    use_exact(model)
    tokens = torch.tensor(ids, device=model.device)
    with torch.inference_mode(False), torch.enable_grad():
        tokens = tokens.clone()
        embedded = model.get_input_embeddings()(tokens).detach()
        plain = None
        if want.of == "kl":
            with torch.no_grad():
                plain = _predicting(model, embedded, scored)
        moved = embedded.clone().requires_grad_()
        noisy = _predicting(model, moved + _noise(embedded, span, want), scored)
        value = _objective(plain, noisy, tokens[-scored:])
        (found,) = torch.autograd.grad(value, moved)
    return (found[span].float() * embedded[span].float()).sum(-1).numpy(force=True)


def _predicting(
    model: Any, embedded: Float[Tensor, "tokens width"], scored: int
) -> Float[Tensor, "scored vocab"]:
    """The logits that predict the last tokens."""
    final = decoder(model)(inputs_embeds=embedded[None], use_cache=False).last_hidden_state[0]
    return logits(model, final[-scored - 1 : -1])


def _noise(embedded: Tensor, span: slice, want: Gradient) -> Tensor:
    """Noise on the embeddings of the trace, the same wherever it is drawn."""
    found = torch.zeros_like(embedded)
    if want.noise:
        source = torch.Generator().manual_seed(want.seed)
        drawn = torch.randn(found[span].shape, generator=source) * want.noise
        found[span] = drawn.to(found)
    return found


def _objective(
    plain: Float[Tensor, "scored vocab"] | None,
    noisy: Float[Tensor, "scored vocab"],
    text: Int[Tensor, " scored"],
) -> Float[Tensor, ""]:
    """How far the noisy pass is from the plain one; without that, up to what does not change."""
    if plain is None:
        return -log_softmax(noisy, dim=-1).gather(1, text[:, None]).mean()
    p, q = (log_softmax(each.mean(0), dim=-1) for each in (plain, noisy))
    return (p.exp() * (p - q)).sum()
