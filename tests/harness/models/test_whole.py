"""Texts read from the beginning beside texts read behind a cached start."""

from dataclasses import replace

import numpy as np
import pytest

from harness.core import UserError
from harness.models.architectures.examples import config_of
from harness.models.architectures.paths import text
from harness.models.architectures.shrunk import shrunk
from harness.models.conditions import Hidden
from harness.models.edits import untouched
from harness.models.likelihood import scores
from harness.models.model import Weights
from harness.models.texts.parts import Asked, Continuation
from harness.models.texts.whole import read_whole

TRACE = text()
IDS = (*TRACE.prompt_ids, *TRACE.token_ids)
SOME = [Continuation(1, (7, 8, 9), 1), Continuation(5, (11, 12)), Continuation(1, tuple(range(40)))]


@pytest.mark.parametrize("tokens", [1, 90, 10_000])
@pytest.mark.parametrize("sampled", [None, (0.6, 0.95)])
def test_the_same_scores_and_states(tokens: int, sampled: tuple[float, float] | None) -> None:
    model = shrunk(config_of("llama"))
    asked = [Asked(untouched(TRACE), SOME, sampled, [0, 1])]
    expected = {c: s for _, c, s in scores(Weights(model, 1 << 20), IDS, asked)}
    found = {c: s for _, c, s in read_whole(model, asked, [SOME], tokens)}
    assert found.keys() == expected.keys() == {*SOME}
    for c, score in found.items():
        assert len(score.logprob) == len(c.ids) - c.given
        np.testing.assert_allclose(score.logprob, expected[c].logprob, rtol=2e-4, atol=2e-4)
        for layer in (0, 1):
            np.testing.assert_allclose(
                score.states[layer], expected[c].states[layer], rtol=1e-3, atol=1e-4
            )


def test_what_does_not_fit_is_left_out_and_masks_are_refused() -> None:
    who, plain = Weights(shrunk(config_of("lfm2")), len(IDS)), untouched(TRACE)
    assert [c for _, c, _ in scores(who, IDS, [Asked(plain, SOME)])] == SOME[:2]
    low, high = plain.stops[0], plain.stops[1]
    hidden = replace(plain, hidden=(Hidden(low, high, high),))
    with pytest.raises(UserError, match=r"it has conv layers; no sentence can be masked"):
        list(scores(who, IDS, [Asked(hidden, SOME)]))
