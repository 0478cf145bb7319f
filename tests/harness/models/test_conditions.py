"""Words as tokens, and what a model cannot be steered by, from its files alone."""

import pytest

from harness import Steer, UserError
from harness.models.conditions import check_steer, token_ids
from harness.models.model import Subject
from tests.conftest import SHAPE
from tests.harness.models import slow


@pytest.fixture(scope="module")
def subject(tiny):
    return Subject(slow.conf(tiny))


def test_words_are_their_tokens(subject):
    assert token_ids(subject, ()) == ()
    assert token_ids(subject, (" we", "?", " \\boxed{2}")) == (3, 21, 18)


@pytest.mark.parametrize("word", [" we add", "", "we", " wait", "😀"])
def test_what_is_no_token_is_named(subject, word):
    with pytest.raises(UserError, match="is not one token of the model's tokenizer") as caught:
        token_ids(subject, (" we", word))
    assert repr(word) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_steering_is_checked_without_weights(subject):
    width = SHAPE["hidden_size"]
    check_steer(subject, Steer(3, (1.0,) * width))
    with pytest.raises(UserError, match=f"a steering vector of 3 numbers; .* width is {width}"):
        check_steer(subject, Steer(0, (1.0,) * 3))
    with pytest.raises(UserError, match="layer 4: the model has blocks 0 to 3"):
        check_steer(subject, Steer(4, (1.0,) * width))
    assert "model" not in subject.__dict__
