"""Distances, the logit lens and input gradients beside slow forms of them on random models."""

import numpy as np
import pytest
import torch
from torch.nn.functional import log_softmax

from harness.core import Gradient, Lens, Reach, UserError
from harness.evidence.asking.insides import inside
from harness.evidence.wants import together
from harness.models.attention import Attention
from harness.models.insides.gradient import gradient
from harness.models.insides.lens import last_norm, lens
from harness.models.insides.reach import Distances, reach
from harness.models.model import Subject, Weights
from tests.harness.models.test_attention import PROMPT, SPANS, trace_of, weights

TRACE = trace_of(SPANS, 43)


def by_hand(full, want):
    """Distances and weights of one trace, token by token, from the eager weights."""
    heads, n = full.shape[:2], 43
    distance = np.zeros((*heads, n))
    windowed, received = np.zeros((*heads, n)), np.full((*heads, n), np.nan)
    for t in range(n):
        row = full[:, :, PROMPT + t]
        away = np.array([max(0, PROMPT + t - s) for s in range(PROMPT + n)])
        distance[:, :, t] = (row * away).sum(-1)
        windowed[:, :, t] = (row * np.minimum(away, want.window)).sum(-1)
        last = n - 1 if want.far is None else min(n - 1, t + want.far)
        later = range(t + want.near, last + 1)
        if later:
            received[:, :, t] = np.mean([full[:, :, PROMPT + k, PROMPT + t] for k in later], axis=0)
    return distance.mean(-1), windowed, received


@pytest.mark.parametrize("far", [12, None])
def test_distances_are_those_of_the_eager_weights(any_model, far):
    want = Reach(window=4, near=3, far=far)
    other = Reach(window=7, near=1, far=2)  # read in the same pass, and no matter
    found = reach(Weights(any_model, 512), TRACE, [other, want])[want]
    distance, windowed, received = by_hand(weights(any_model, TRACE), want)
    np.testing.assert_allclose(found.distance, distance, atol=1e-4)
    for i, (start, stop) in enumerate(SPANS):
        mean = windowed[:, :, start:stop].mean(-1)
        np.testing.assert_allclose(found.windowed[:, :, i], mean, atol=1e-4)
        some = received[:, :, start:stop]
        known = np.isfinite(some[0, 0])
        expected = some[:, :, known].mean(-1)
        np.testing.assert_allclose(found.received[:, :, i], expected, atol=1e-5)


def test_a_head_that_looks_at_itself_alone_is_no_distance_away():
    trace, want = trace_of([(0, 3), (3, 3), (3, 6)], 6), Reach(10, 10, 50)
    watcher, size = Distances(trace, [want]), PROMPT + 6
    own = torch.eye(size).expand(1, 2, size, size)
    attention = Attention(torch.nn.Module(), 1e4 * own, own, own, None, {"scaling": 1.0})
    watcher.watch(0, attention)
    distance, windowed, received = watcher.layers[0][want]
    assert distance.tolist() == [0, 0]
    np.testing.assert_array_equal(windowed, [[0, np.nan, 0]] * 2)
    assert np.isnan(received).all()  # no token is ten behind another
    with pytest.raises(UserError, match="attend more than once"):
        watcher.watch(0, attention)


def test_the_lens_is_norm_and_head_of_each_block(any_model):
    found = lens(Weights(any_model, 512), TRACE)
    ids = torch.tensor([[*TRACE.prompt_ids, *TRACE.token_ids]])
    with torch.no_grad():
        states = any_model(ids, output_hidden_states=True).hidden_states
        norm = any_model.get_decoder().norm
        made = [log_softmax(any_model.lm_head(norm(h))[0].double(), -1) for h in states[1:-1]]
        last = log_softmax(any_model(ids).logits[0].double(), -1)
    for layer, early in enumerate(made):
        middle = torch.logaddexp(early, last) - np.log(2)
        each = [(p.exp() * (p - middle)).sum(-1) / 2 for p in (early, last)]
        expected = (sum(each) / np.log(2))[PROMPT - 1 : -1]
        np.testing.assert_allclose(found[layer], expected.numpy(), atol=1e-4)
    assert found.shape == (3, 43)
    assert (found >= 0).all()
    assert (found <= 1).all()


def test_a_model_without_the_norm_is_one_line(any_model):
    with pytest.raises(UserError, match="norm before its head"):
        last_norm(any_model, torch.ones(2, 32), torch.full((2, 32), 7.0))


class Spelling(Subject):
    """A model whose tokens are spelt with digits."""

    context = 512

    def __init__(self, model):
        self.__dict__["model"] = model

    def encode(self, text):
        return tuple(map(int, text.split()))

    def checkpoint(self, _name):
        return self


JOINT = Gradient("5 6", "7 8", "joint", 0.0, 0)


def test_gradients_are_the_slopes_of_small_steps(any_model):
    subject = Spelling(any_model)
    found = gradient(subject, TRACE, JOINT)
    end = TRACE.reasoning.stop
    ids = torch.tensor([*TRACE.prompt_ids, *TRACE.token_ids[:end], 7, 8, 5, 6])
    embedded = any_model.get_input_embeddings()(ids).detach()

    def logprob(scales):
        moved = embedded.clone()
        moved[PROMPT : PROMPT + end] *= scales[:, None]
        with torch.no_grad():
            out = any_model(inputs_embeds=moved[None]).logits[0, -3:-1]
        return log_softmax(out, -1)[[0, 1], [5, 6]].mean().item()

    step = 1e-2
    for token in (0, 11, end - 1):
        up, down = torch.ones(end), torch.ones(end)
        up[token], down[token] = 1 + step, 1 - step
        slope = -(logprob(up) - logprob(down)) / (2 * step)  # of what is lost
        assert found[token] == pytest.approx(slope, rel=2e-2, abs=2e-3)
    assert np.isnan(found[end:]).all()
    assert all(p.grad is None for p in any_model.parameters())


def test_noise_is_the_same_every_time_and_needed_for_kl(any_model):
    subject = Spelling(any_model)
    noisy = [gradient(subject, TRACE, Gradient("5", "7", "kl", 1e-2, s)) for s in (0, 0, 1)]
    np.testing.assert_array_equal(noisy[0], noisy[1])
    assert np.nanmax(np.abs(noisy[0] - noisy[2])) > 0
    with pytest.raises(UserError, match="noise must be > 0"):
        Gradient("5", "7", "kl", 0.0, 0)


def test_what_does_not_fit_is_undefined(any_model):
    subject = Spelling(any_model)
    subject.context = 20
    assert np.isnan(inside(subject, TRACE, [JOINT])[JOINT]).all()
    apart = inside(subject, TRACE, [Lens()])[Lens()]
    assert np.isfinite(apart[:, :15]).all()
    assert np.isnan(apart[:, 15:]).all()
    with pytest.raises(UserError, match="no tokens"):
        inside(subject, TRACE, [Gradient("", "7", "joint", 0.0, 0)])


def test_distances_of_a_checkpoint_share_a_pass():
    near, far, other = Reach(10, 10, 50), Reach(10, 10, None), Reach(10, 10, 50, "base")
    assert together([near, Lens(), JOINT, other, far]) == [[near, far], [Lens()], [JOINT], [other]]
