"""Sampling without sorting, against sorting."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from harness import UserError
from harness.engines.hf.sampler import draw_tokens, inverse, outside


def nucleus(p: np.ndarray, top_p: float) -> np.ndarray:
    """The nucleus distribution by sorting."""
    order = np.argsort(-p, kind="stable")
    before = np.cumsum(p[order]) - p[order]
    kept = np.zeros_like(p)
    kept[order[before < top_p]] = p[order[before < top_p]]
    return kept / kept.sum()


@pytest.mark.parametrize("top_p", [0.5, 0.8, 0.95, 1.0])
def test_distribution_is_the_sorted_nucleus(top_p: float) -> None:
    rng = np.random.default_rng(3)
    logits = torch.tensor(rng.normal(0, 0.6, 30), dtype=torch.float32)
    rows = 20_000
    draws = draw_tokens(
        logits.expand(rows, -1), 0.7, top_p, lambda i: torch.from_numpy(rng.random(len(i)))
    )
    p = nucleus(torch.softmax(logits.double() / 0.7, -1).numpy(), top_p)
    seen = np.bincount(draws.numpy(), minlength=30)
    assert seen[p == 0].sum() == 0
    big = p * rows > 5
    observed, expected = np.append(seen[big], seen[~big].sum()), np.append(p[big], p[~big].sum())
    keep = expected > 0
    assert chisquare(observed[keep], expected[keep] * rows).pvalue > 1e-3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_no_distribution_are_refused(bad: float, temperature: float) -> None:
    logits = torch.tensor([[0.0, 1.0], [bad, bad]])
    with pytest.raises(UserError, match=r"not finite; try model\.dtype=float32"):
        draw_tokens(logits, temperature, 0.95, lambda i: torch.zeros(len(i)))


def test_a_forbidden_token_is_no_trouble() -> None:
    logits = torch.tensor([[0.0, -torch.inf]]).expand(50, -1)
    assert not draw_tokens(logits, 1.0, 1.0, lambda i: torch.rand(len(i))).any()


def test_temperature_zero_is_greedy() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [5.0, 1.0, 2.0]])
    assert draw_tokens(logits, 0.0, 0.9, lambda i: torch.zeros(len(i))).tolist() == [1, 0]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.floats(0, 0.999999))
def test_inverse_never_takes_an_impossible_token(weights: list[int], u: float) -> None:
    p = torch.tensor([weights], dtype=torch.float32)
    if p.sum() == 0:
        return
    token = int(inverse(p / p.sum(), torch.tensor([u], dtype=torch.float64)))
    assert weights[token] > 0
    assert sum(weights[:token]) <= u * sum(weights) * (1 + 1e-5) + 1e-5


def test_outside_by_hand() -> None:
    p = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).expand(4, -1)
    # Likelier mass before each token: 0, .5, .8, .95.
    assert outside(p, torch.arange(4), 0.8).tolist() == [2, 3]
    assert outside(p, torch.arange(4), 0.81).tolist() == [3]
