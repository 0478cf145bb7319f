"""`pivotal` on rollouts made by hand."""

from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from harness import Draw, Evidence, Problem, Rollouts, Sentence, Trace
from harness.core.config import target

CONF = Path(__file__).parents[2] / "conf" / "method" / "pivotal.yaml"
PROBLEM = Problem("p/0", "What is 6 times 7?", "42", None, "test", "evaluate")
TRACE = Trace(
    "t/0", PROBLEM, "m", "r", 0, (1,), tuple(range(20)), "",
    (Sentence("A. ", 2, 6, None), Sentence("B. ", 6, 7, None), Sentence("C. ", 7, 18, None)),
    "42", True, "m", "stop",
)  # fmt: skip
MADE = target(OmegaConf.load(CONF)["pivotal"], "pivotal")
N = 100


def p(position):
    """Token 3, in the first sentence, helps by .5; token 12, in the last, harms by .3."""
    return 0.2 + 0.5 * (position > 3) - 0.3 * (position > 12)


def rollouts(share, n=N):
    return Rollouts(np.arange(n), ("",) * n, np.arange(n) < round(share * n), ("",) * n)


def gathered(start=()):
    have = Evidence(N, "", (), rollouts=dict(start))
    for rounds in range(20):
        missing = [w for w in MADE.wants(TRACE, have) if (w.arm, w.boundary) not in have.rollouts]
        if not missing:
            return have, rounds
        stops = (2, 6, 7, 18)
        new = {(w.arm, w.boundary): rollouts(p(stops[w.boundary] + w.skip)) for w in missing}
        have = Evidence(N, "", (), rollouts={**have.rollouts, **new})
    raise AssertionError("no end")


def test_it_starts_with_the_ends_then_halves_inside_sentences():
    first = MADE.wants(TRACE, Evidence(N, "", ()))
    assert first == [
        Draw(0, N, "end", "resample"),
        Draw(2, N, "end", "pivotal_3", skip=3),  # the middle of [2, 18) is behind token 9
        Draw(3, N, "end", "resample"),
    ]
    assert gathered()[1] <= 5


def test_the_largest_jump_of_a_token_in_each_sentence():
    have, _ = gathered()
    found = MADE.score(TRACE, have)
    assert found.score[[0, 2]] == pytest.approx([0.5, 0.3])
    assert found.diagnostics["jump"][[0, 2]] == pytest.approx([0.5, -0.3])
    assert found.diagnostics["pivotal"].tolist() == [1, 0, 1]
    assert np.flatnonzero(found.tokens["peak"] == 1).tolist() == [3, 12]
    assert found.score[1] == 0


def test_rollouts_that_others_wanted_change_nothing():
    every = {("resample", k): rollouts(p(stop)) for k, stop in enumerate((2, 6, 7, 18))}
    alone, more = (MADE.score(TRACE, gathered(start)[0]) for start in ({}, every))
    np.testing.assert_array_equal(alone.score, more.score)
    np.testing.assert_array_equal(alone.diagnostics["looked"], more.diagnostics["looked"])


def test_without_rollouts_it_is_undefined():
    found = MADE.score(TRACE, Evidence(N, "", ()))
    assert np.isnan(found.score).all()
    assert found.tokens == {}
