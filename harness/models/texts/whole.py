"""Texts read from the beginning, for models whose caches no text can continue.

States, latents and convolutions stand in the place of a key and a value of each token there. Each
text is read with all that comes before it, several in a pass, filled up behind their ends.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch

from harness.core import UserError
from harness.models.architectures.layers import decoder, uncached
from harness.models.attention import use_exact
from harness.models.forward import float32
from harness.models.hooks import captured
from harness.models.texts.parts import Asked, Continuation
from harness.models.texts.scoring import Score, logprobs

FILL = 0  # a token behind the end of a shorter text, which nothing before it sees


def read_whole(
    model: Any, asked: Sequence[Asked], fitting: Sequence[Sequence[Continuation]], tokens: int
) -> Iterator[tuple[int, Continuation, Score]]:
    """The score of each of the fitting texts, with the number of its condition.

    A pass has at most so many tokens, or one text. Raises UserError where sentences are hidden or
    states are steered, which such a model's layers do not all heed.
    """
    use_exact(model)
    for number, (one, some) in enumerate(zip(asked, fitting, strict=True)):
        if some and (one.resolved.hidden or one.resolved.steered or any(c.steered for c in some)):
            raise UserError(f"model: {uncached(model.config)}; no sentence can be masked there")
        for rows in _together(one, some, tokens):
            yield from ((number, c, s) for c, s in _read(model, one, rows))


def _together(
    asked: Asked, some: Sequence[Continuation], tokens: int
) -> Iterator[list[tuple[Continuation, int]]]:
    """Those that share a pass, each with the position of its boundary; of like length."""
    placed = [(c, asked.resolved.stops[c.boundary]) for c in some]
    placed.sort(key=lambda pair: pair[1] + len(pair[0].ids))
    longest = max((at + len(c.ids) for c, at in placed), default=1)
    rows = max(1, tokens // longest)
    for _, group in groupby(enumerate(placed), key=lambda pair: pair[0] // rows):
        yield [pair for _, pair in group]


@torch.inference_mode()
def _read(
    model: Any, asked: Asked, rows: Sequence[tuple[Continuation, int]]
) -> list[tuple[Continuation, Score]]:
    """The scores of texts in one pass."""
    texts = [[*asked.resolved.ids[:at], *c.ids] for c, at in rows]
    width = max(map(len, texts))
    filled = [text + [FILL] * (width - len(text)) for text in texts]
    with captured(model, asked.layers) as blocks:
        out = decoder(model)(input_ids=torch.tensor(filled, device=model.device), use_cache=False)
    found: list[tuple[Continuation, Score]] = []
    for n, ((c, at), final) in enumerate(zip(rows, out.last_hidden_state, strict=True)):
        end = at + len(c.ids)
        states = {layer: float32(x[n, end - 1]) for layer, x in blocks.items()}
        written = torch.tensor(c.ids[c.given :], device=final.device)
        predicting = final[at + c.given - 1 : end - 1]
        score = Score(logprobs(model, predicting, written, asked.sampled), states)
        found.append((c, score))
    return found
