"""Steering on the raw module beside plain arithmetic on a block's output."""

import numpy as np
import pytest
import torch

from harness import UserError
from harness.models.hooks import Addition, captured, steering
from tests.conftest import SHAPE
from tests.harness.models import slow

IDS = torch.tensor([[4, 9, 5, 6, 7, 8], [3, 3, 4, 11, 12, 5]])
VECTOR = tuple(np.random.default_rng(4).normal(size=SHAPE["hidden_size"]).tolist())


@torch.no_grad()
def logits(model, additions):
    model.set_attn_implementation("sdpa")
    with steering(model, additions):
        return model(IDS, use_cache=False).logits


def where(*places):
    at = torch.zeros(2, 6, dtype=torch.bool)
    for row, token in places:
        at[row, token] = True
    return at


def test_zeros_change_nothing_to_the_last_bit(any_model):
    zeros = (0.0,) * SHAPE["hidden_size"]
    plain = logits(any_model, [])
    for at in (None, where((0, 2), (1, 5))):
        assert torch.equal(logits(any_model, [Addition(1, zeros, at)]), plain)


def test_each_row_is_steered_at_its_own_tokens(any_model):
    at = where((0, 1), (0, 2), (1, 4))
    found = logits(any_model, [Addition(1, VECTOR, at), Addition(-1, VECTOR, None)])
    for row, positions in enumerate([(1, 2), (4,)]):
        steers = [(1, VECTOR, positions), (3, VECTOR, range(6))]
        expected, _ = slow.whole(any_model, IDS[row].tolist(), steers=steers)
        log_p = torch.log_softmax(found[row].double(), -1)
        np.testing.assert_allclose(log_p, expected, atol=1e-4)
    assert not torch.allclose(found[0, 1], logits(any_model, [])[0, 1], atol=1e-2)


def test_states_are_captured_with_what_steers_them(any_model):
    with steering(any_model, [Addition(2, VECTOR, None)]), captured(any_model, (2,)) as found:
        any_model(IDS[:1], use_cache=False)
    with captured(any_model, (2,)) as plain:
        any_model(IDS[:1], use_cache=False)
    moved = (found[2] - plain[2]).detach()[0]
    np.testing.assert_allclose(moved, np.tile(VECTOR, (6, 1)), atol=1e-4)


def test_no_hook_is_left(any_model):
    def hooks():
        return sum(len(block._forward_hooks) for block in any_model.model.layers)

    before = hooks()  # of others, such as transformers' own
    for additions in (
        [Addition(0, VECTOR, None)],
        [Addition(0, VECTOR, None), Addition(9, (), None)],
    ):
        try:
            with steering(any_model, additions):
                raise KeyError
        except (KeyError, UserError):
            pass
        assert hooks() == before


@pytest.mark.parametrize(
    ("layer", "vector", "message"),
    [
        (4, VECTOR, "layer 4: the model has blocks 0 to 3"),
        (-5, VECTOR, "layer -5: the model has blocks 0 to 3"),
        (0, (1.0, 2.0), "a steering vector of 2 numbers; the model's width is 32"),
    ],
)
def test_what_does_not_fit_is_refused(any_model, layer, vector, message):
    with pytest.raises(UserError, match=message):
        logits(any_model, [Addition(layer, vector, None)])
