"""Next tokens from logits without sorting the vocabulary."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from harness.core import UserError

Uniform = Callable[[Int[Tensor, " rows"]], Float[Tensor, " rows"]]


def inverse(p: Float[Tensor, "rows vocab"], u: Float[Tensor, " rows"]) -> Int[Tensor, " rows"]:
    """The token at which the cumulative mass of each row passes the share u of it, u in [0, 1)."""
    mass = p.cumsum(-1)
    total = mass[:, -1]
    # Strictly below the total, so that rounding never reaches a token without mass.
    goal = torch.minimum(u.to(p.dtype) * total, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(mass, goal[:, None], right=True)[:, 0]


def outside(
    p: Float[Tensor, "rows vocab"], token: Int[Tensor, " rows"], top_p: float
) -> Int[Tensor, " outside"]:
    """Rows whose token lies outside the nucleus: the likelier tokens alone have mass top_p."""
    chosen = p.gather(1, token[:, None])
    above = torch.where(p > chosen, p, 0.0).sum(-1)
    return torch.nonzero(above >= top_p)[:, 0]


def draw_tokens(
    logits: Float[Tensor, "rows vocab"], temperature: float, top_p: float, uniform: Uniform
) -> Int[Tensor, " rows"]:
    """One token a row from the nucleus; temperature 0 takes the likeliest.

    A draw outside the nucleus is drawn again, which leaves exactly the nucleus distribution.
    Raises UserError where no token has a probability.
    """
    if not logits.amax(-1).isfinite().all():
        raise UserError("model: its logits are not finite; try model.dtype=float32")
    if temperature == 0:
        return logits.argmax(-1)
    p = torch.softmax(logits.float() / temperature, dim=-1)
    pending = torch.arange(len(p), device=p.device)
    token = inverse(p, uniform(pending))
    pending = outside(p, token, top_p) if top_p < 1 else pending[:0]
    while len(pending):
        rest = p[pending]
        again = inverse(rest, uniform(pending))
        token[pending] = again
        pending = pending[outside(rest, again, top_p)]
    return token
