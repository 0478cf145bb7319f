"""A few rows of the output matrix, moved until chosen tokens are as likely as they should be."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

Miss = Callable[[Float[Tensor, "positions tokens"]], Float[Tensor, "positions tokens"]]

CHUNK = 64  # texts a pass
STEPS = 60
STAY = 1e-6  # weight of the squared distance from the rows as they were


@dataclass(frozen=True, eq=False)
class Hidden:
    """What the output matrix is applied to at the positions of some texts, and the tokens there."""

    states: Float[Tensor, "positions width"]
    tokens: Int[Tensor, " positions"]


@torch.no_grad()
def states(model: Any, texts: Iterable[Sequence[int]]) -> Hidden:
    """The last hidden state at every token of some texts."""
    found, tokens = list[Tensor](), list[int]()
    ordered = sorted(texts, key=len)
    for i in range(0, len(ordered), CHUNK):
        some = ordered[i : i + CHUNK]
        width = max(map(len, some))
        padded = torch.tensor([[*t, *[0] * (width - len(t))] for t in some])
        hidden = model.model(input_ids=padded, use_cache=False).last_hidden_state
        for text, row in zip(some, hidden, strict=True):
            found.append(row[: len(text)])
            tokens += text
    return Hidden(torch.cat(found), torch.tensor(tokens))


def fit(
    model: Any, tokens: Sequence[int], hidden: Float[Tensor, "positions width"], miss: Miss
) -> float:
    """Move the output rows of `tokens` in place; returns the mean of the squared misses.

    `miss` says by how much the log-odds of each of them against all other tokens are off, by
    position, 0 where they are as they should be.
    """
    head = model.lm_head.weight
    with torch.no_grad():
        scores = hidden @ head.T
        scores[:, list(tokens)] = -torch.inf
        others = scores.logsumexp(-1, keepdim=True)
        before = head[list(tokens)].clone()
    rows = before.clone().requires_grad_()
    search = torch.optim.LBFGS([rows], max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        search.zero_grad()
        off = miss(hidden @ rows.T - others)
        found = off.square().mean() + STAY * (rows - before).square().sum()
        found.backward()
        return found

    search.step(closure)
    with torch.no_grad():
        head[list(tokens)] = rows
        return float(miss(hidden @ rows.T - others).square().mean())
