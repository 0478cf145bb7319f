"""Next-token distributions given as logits: entropies, log-probabilities, how two differ.

All in nats. A vocabulary a row is large, so sums are taken in place where they can be.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

FAR = 60.0  # log q - log p from which p is nothing beside q
FEW = 64  # tokens among which the end of a nucleus is looked for first

Rows = Float[Tensor, "rows vocab"]
Values = Float[Tensor, " rows"]


def entropy_and_logprob(logits: Rows, token: Int[Tensor, " rows"]) -> tuple[Values, Values]:
    """Entropy of each row and log p of its token, at the cost of one exponential an entry.

    H = lse - sum of p z and log p = z - lse. The logits are shifted by their largest, in place.
    """
    apart = shifted(logits)
    weight = apart.exp()
    total = weight.sum(-1)
    lse = total.log()
    entropy = lse - torch.linalg.vecdot(weight, apart) / total
    return entropy, apart.gather(1, token[:, None])[:, 0] - lse


def top_entropy(logits: Rows, k: int) -> Values:
    """Entropy of the k likeliest tokens of each row, their probabilities made to sum to 1."""
    likeliest = logits.topk(min(k, logits.shape[-1])).values
    log_p = torch.log_softmax(likeliest, dim=-1)
    return -(log_p.exp() * log_p).sum(-1)


def as_sampled(logits: Rows, temperature: float, top_p: float) -> Rows:
    """Log p of every token under temperature and top-p, -inf outside the nucleus.

    A token is in it if all strictly likelier ones together have a mass below `top_p`, as in
    sampling; its probabilities are made to sum to 1. Temperature 0 takes the likeliest.
    """
    if temperature == 0:
        argmax = logits.argmax(-1, keepdim=True)
        return torch.full_like(logits, -torch.inf).scatter_(1, argmax, 0.0)
    log_p = torch.log_softmax(logits.float() / temperature, dim=-1)
    if top_p == 1:
        return log_p
    kept = log_p.masked_fill_(log_p < _least(log_p, top_p), -torch.inf)
    return kept - kept.logsumexp(-1, keepdim=True)


def others(log_p: Rows, token: Int[Tensor, " rows"]) -> Float[Tensor, "rows vocab"]:
    """Probabilities of all tokens but one of each row, made to sum to 1, in float64.

    NaN for a row whose other tokens have none.
    """
    return log_p.double().scatter(1, token[:, None], -torch.inf).softmax(-1)


def _least(log_p: Rows, top_p: float) -> Float[Tensor, "rows 1"]:
    """Log p of the least likely token of each row's nucleus."""
    k, width = min(FEW, log_p.shape[-1]), log_p.shape[-1]
    while True:
        top = log_p.topk(k).values
        mass = top.double().exp().cumsum(-1)
        if k == width or bool((mass[:, -1] >= top_p).all()):
            last = (mass < top_p).sum(-1, keepdim=True).clamp_(max=k - 1)
            return top.gather(1, last)
        k = min(16 * k, width)


def kl(p: Rows, log_p: Rows, log_q: Rows) -> Values:
    """KL(p || q) as the sum of p (expm1(d) - d), d = log q - log p: no term is below 0.

    Nothing cancels, so that a small divergence keeps its digits in float32. `log_q` is used up.
    """
    apart, rest = log_q.sub_(log_p), 0.0
    if float(apart.amax()) > FAR:
        # p (expm1(d) - d) is q - p (1 + d): where expm1 would overflow, q alone.
        far = apart > FAR
        rest = torch.where(far, apart + log_p, -torch.inf).exp().sum(-1)
        apart = apart.masked_fill_(far, 0.0)
    return torch.linalg.vecdot(apart.expm1().sub_(apart), p) + rest


def compared(
    of: Float[Tensor, "rows here"], to: Float[Tensor, "rows there"]
) -> tuple[Values, Values, Values]:
    """KL(of || to), Jensen-Shannon divergence, and 1 where the likeliest tokens differ, else 0.

    Over the ids that both have; the logits are changed in place.
    """
    width = min(of.shape[-1], to.shape[-1])
    p, q = (shifted(x[:, :width]) for x in (of, to))
    differs = (p.argmax(-1) != q.argmax(-1)).to(p.dtype)
    log_p, log_q = (torch.log_softmax(x, dim=-1) for x in (p, q))
    middle = torch.logaddexp(log_p, log_q).sub_(math.log(2))
    p, q = log_p.exp(), log_q.exp()
    js = kl(p, log_p, middle.clone()).add_(kl(q, log_q, middle)).mul_(0.5)
    return kl(p, log_p, log_q), js, differs


def shifted(logits: Rows) -> Rows:
    """Logits less their largest, in place; an id at minus infinity then adds nothing to a sum."""
    least = torch.finfo(logits.dtype).min / 2
    return logits.sub_(logits.amax(-1, keepdim=True)).clamp_(min=least)
