"""Muon for the matrices inside the blocks, AdamW for everything else."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

MOMENTUM = 0.95
_COEFFICIENTS = (3.4445, -4.775, 2.0315)


@torch.no_grad()
def orthogonal(
    stack: Float[Tensor, "matrices rows columns"],
) -> Float[Tensor, "matrices rows columns"]:
    """The nearest semi-orthogonal matrices, singular values within about a third of one.

    Source: five Newton-Schulz steps, Jordan et al. 2024 (Muon).
    """
    tall = stack.shape[1] > stack.shape[2]
    x = stack.mT if tall else stack
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = _COEFFICIENTS
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum whose updates are made orthogonal; matrices of one shape are done together.

    As torch.optim.Muon without weight decay, but in float32: that one rounds to bfloat16 in every
    Newton-Schulz step, and other checkpoints than those that ship would come of it.
    """

    def __init__(self, matrices: Iterable[torch.nn.Parameter], lr: float) -> None:
        super().__init__(matrices, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One update."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
            for p in group["params"]:
                wide = p.shape if p.shape[0] <= p.shape[1] else (p.shape[1], p.shape[0])
                by_shape[tuple(wide)].append(p)
            for matrices in by_shape.values():
                self._update(matrices, group["lr"])

    def _update(self, matrices: list[Tensor], lr: float) -> None:
        updates = list[Tensor]()
        for p in matrices:
            assert p.grad is not None
            momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
            momentum.mul_(MOMENTUM).add_(p.grad)
            update = p.grad.add(momentum, alpha=MOMENTUM)
            updates.append(update if p.shape[0] <= p.shape[1] else update.mT)
        for p, update in zip(matrices, orthogonal(torch.stack(updates)), strict=True):
            tall = p.shape[0] > p.shape[1]
            scale = max(1.0, p.shape[0] / p.shape[1]) ** 0.5
            p.add_(update.mT if tall else update, alpha=-lr * scale)


def optimizers(model: torch.nn.Module, matrix_lr: float, other_lr: float) -> list[Any]:
    """Muon over the blocks' matrices and AdamW over embeddings, norms and head."""
    named = list(model.named_parameters())
    inside = [p for n, p in named if p.ndim == 2 and ".layers." in n]
    outside = [p for n, p in named if not (p.ndim == 2 and ".layers." in n)]
    return [
        Muon(inside, matrix_lr),
        torch.optim.AdamW(outside, other_lr, betas=(0.9, 0.98), weight_decay=0.0),
    ]
