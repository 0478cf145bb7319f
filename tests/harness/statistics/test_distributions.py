"""Next-token distributions beside their definitions in float64."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import harness.statistics.distributions
from harness.statistics.distributions import (
    as_sampled,
    compared,
    entropy_and_logprob,
    kl,
    top_entropy,
)
from tests.harness.models.slow import nucleus


def random_logits(seed: int, rows: int = 6, width: int = 40, scale: float = 3.0) -> torch.Tensor:
    return scale * torch.randn(rows, width, generator=torch.Generator().manual_seed(seed))


def test_by_hand():
    logits = torch.tensor([[0.5, 0.25, 0.125, 0.125]]).log()
    entropy, logprob = entropy_and_logprob(logits.clone(), torch.tensor([1]))
    np.testing.assert_allclose(entropy, 1.75 * np.log(2), rtol=1e-6)
    np.testing.assert_allclose(logprob, np.log(0.25), rtol=1e-6)
    two = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    np.testing.assert_allclose(top_entropy(logits, 2), two, rtol=1e-6)
    np.testing.assert_allclose(top_entropy(logits, 99), 1.75 * np.log(2), rtol=1e-6)
    two_kept = [[2 / 3, 1 / 3, 0, 0]]
    np.testing.assert_allclose(as_sampled(logits, 1.0, 0.74).exp(), two_kept, rtol=1e-6)
    # All that is likelier than the third has a mass of .75, and the fourth is as likely.
    np.testing.assert_allclose(as_sampled(logits, 1.0, 0.76).exp(), logits.exp(), rtol=1e-6)
    assert as_sampled(logits, 0.0, 0.5).tolist() == [[0.0, -np.inf, -np.inf, -np.inf]]


@pytest.mark.parametrize("few", [1, 3, 64])
@pytest.mark.parametrize("temperature", [0.6, 1.0])
@pytest.mark.parametrize("top_p", [0.05, 0.95, 1.0])
def test_as_sampled_is_the_nucleus(monkeypatch, few, temperature, top_p):
    monkeypatch.setattr(harness.statistics.distributions, "FEW", few)
    logits = random_logits(1)
    logits[2] = logits[2].round()  # ties, also at the end of the nucleus
    expected = [nucleus(row.double(), temperature, top_p) for row in logits]
    found = as_sampled(logits, temperature, top_p)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found.exp().sum(-1), 1, atol=1e-6)


@settings(deadline=None)
@given(st.integers(0, 99), st.floats(0, 6), st.floats(1e-4, 3))
def test_two_distributions(seed, scale, apart):
    p = random_logits(seed, scale=scale)
    q = p + random_logits(seed + 1, scale=apart)
    log_p, log_q = (torch.log_softmax(x.double(), -1) for x in (p, q))
    middle = ((log_p.exp() + log_q.exp()) / 2).log()
    expected = (log_p.exp() * (log_p - log_q)).sum(-1)
    js = ((log_p.exp() * (log_p - middle)) + (log_q.exp() * (log_q - middle))).sum(-1) / 2
    found, found_js, differs = compared(p.clone(), q.clone())
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-11)
    np.testing.assert_allclose(found_js, js, rtol=1e-3, atol=1e-11)
    assert (found >= 0).all()
    assert (found_js >= 0).all()
    assert (found_js <= np.log(2) + 1e-6).all()
    assert differs.tolist() == (p.argmax(-1) != q.argmax(-1)).tolist()


def test_small_divergences_keep_their_digits():
    """The plain form has noise of 1e-7, which would hide all of these."""
    p = random_logits(5).double()
    q = p + 1e-4 * random_logits(6)
    log_p, log_q = (torch.log_softmax(x, -1) for x in (p, q))
    expected = (log_p.exp() * (log_p - log_q)).sum(-1)
    assert expected.max() < 1e-7
    found = kl(log_p.exp().float(), log_p.float(), log_q.float())
    np.testing.assert_allclose(found, expected, rtol=0.02)


@pytest.mark.parametrize("gap", [50.0, 70.0, 95.0, 300.0])
def test_far_apart(gap):
    """What is likely to one is impossible to the other."""
    p, q = torch.tensor([[0.0, -gap, -1.0]]), torch.tensor([[-gap, 0.0, -1.0]])
    log_p, log_q = (torch.log_softmax(x.double(), -1) for x in (p, q))
    expected = (log_p.exp() * (log_p - log_q)).sum(-1)
    found, js, differs = compared(p.clone(), q.clone())
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert 0.5 < js < np.log(2)
    assert differs == 1


def test_ids_that_can_never_be_written():
    p = torch.tensor([[0.0, -1.0, -np.inf]])
    found, js, _ = compared(p.clone(), p.clone())
    assert found == js == 0
