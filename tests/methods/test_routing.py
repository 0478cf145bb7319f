"""`routing`: every mode on numbers small enough to work out."""

import numpy as np
import pytest

from harness import (
    Compare,
    Comparison,
    Condition,
    Evidence,
    Problem,
    Read,
    Reading,
    Sentence,
    Trace,
)
from methods.routing import Routing

PROBLEM = Problem("p", "q", "a", None, "s", "evaluate")
SPANS = ((0, 3), (3, 5), (5, 5))
TRACE = Trace(
    "t", PROBLEM, "m", "r", 0, (1,), (1, 2, 3, 4, 5), "",
    tuple(Sentence("", a, b, None) for a, b in SPANS), "a", True, "", "",
)  # fmt: skip
RL, BASE = Condition("rl"), Condition("")
KL = np.array([0.5, 0.0, 1.0, 2.0, np.nan], np.float32)
JS = np.array([0.1, 0.2, 0.3, 0.4, np.nan], np.float32)
APART = np.array([0, 1, 1, 1, np.nan], np.float32)
LOGP = {
    RL: Reading(logprob=np.array([-1, -2, -1, -4, -1], np.float32)),
    BASE: Reading(logprob=np.array([-2, -1, -3, -1, -1.5], np.float32)),
}
EVIDENCE = Evidence(
    1, "", (), readings=LOGP, answers={Compare(RL, BASE): Comparison(KL, JS, APART)}
)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("kl_max", [1, np.nan, np.nan]),
        ("kl_sum", [1.5, np.nan, np.nan]),
        ("js", [0.2, np.nan, np.nan]),
        ("disagreement", [2 / 3, np.nan, np.nan]),
        ("first", [0, 1, np.nan]),
        ("soft", [(1 + 0 + 2) / 3, 0.25, np.nan]),
    ],
)
def test_modes_by_hand(mode, expected: list[float]):
    own = Routing(mode, "rl", "")
    found = own.score(TRACE, EVIDENCE)
    assert found.score.tolist() == pytest.approx(expected, nan_ok=True, abs=1e-6)
    if mode != "soft":
        sums = found.diagnostics["kl"].tolist()
        assert sums == pytest.approx([1.5, np.nan, np.nan], nan_ok=True)


def test_it_compares_rl_with_base_whoever_wrote_the_trace():
    assert Routing("kl_max", "rl", "").wants(TRACE, EVIDENCE) == [Compare(RL, BASE)]
    assert Routing("kl_max", "", "base").wants(TRACE, EVIDENCE) == [
        Compare(Condition(""), Condition("base"))
    ]
    assert Routing("soft", "rl", "").wants(TRACE, EVIDENCE) == [
        Read(logprob=True, condition=RL),
        Read(logprob=True, condition=BASE),
    ]
