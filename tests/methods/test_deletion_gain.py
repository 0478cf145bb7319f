"""`deletion_gain` on readings made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from harness import PLAIN, Condition, Edit, Evidence, Problem, Read, Reading, Sentence, Trace
from harness.core import Donor
from harness.core.config import target

CONF = Path(__file__).parents[2] / "conf" / "method" / "deletion_gain.yaml"
PROBLEM = Problem("p/0", "What is 6 times 7?", "42", None, "test", "evaluate")
TEXTS = ("Let me see. ", "I will add them. ", "That makes 40. ")
TRACE = Trace(
    "t/0", PROBLEM, "m", "r", 0, (1,), tuple(range(12)), "".join(TEXTS),
    tuple(Sentence(t, 3 * i, 3 * i + 3, None) for i, t in enumerate(TEXTS)),
    "40", False, "m", "stop",
)  # fmt: skip
DONOR = Donor(
    PROBLEM, ("Hm. ", "I will add them. ", "Well, let us see. ", "No, no, no. "), "1", True
)
EMPTY = Evidence(1, "", (), donors=(DONOR,))
HARD = np.array([2, 2, 2, 0, 1.5, 0, 0, 2, 0, 0, 0, 1.1])  # tokens 0-2, 4, 7 and 11
RNG = np.random.default_rng(0)


def detector(**options):
    return replace(target(OmegaConf.load(CONF)["deletion_gain"], "deletion_gain"), **options)


def put(i, text):
    return Condition(edits=(Edit(i, i + 1, text),))


def evidence(made, hard=HARD, have=EMPTY):
    readings = {
        want.condition: Reading(logprob=-RNG.exponential(size=12))
        for want in made.wants(TRACE, have)
    }
    proxy = Condition(made.proxy)
    readings[proxy] = replace(readings[proxy], top_entropy={16: hard})
    return replace(have, readings=readings)


def test_it_deletes_and_replaces_each_sentence_by_the_nearest_that_says_something_else():
    others = ("No, no, no. ", "Well, let us see. ", "I will add them. ")
    expected = [c for i, text in enumerate(others) for c in (put(i, ""), put(i, text))]
    wants = detector().wants(TRACE, EMPTY)
    assert wants == [
        Read(logprob=True),
        Read(top_entropy=16),
        *(Read(logprob=True, condition=c) for c in expected),
    ]


def test_the_gain_on_hard_tokens_less_that_of_another_sentence():
    made = detector(window=5)
    have = evidence(made)
    found = made.score(TRACE, have)
    plain, without, other = (
        have.readings[c].logprob for c in (PLAIN, put(0, ""), put(0, "No, no, no. "))
    )
    rows = [4, 7]  # of the five tokens behind sentence 0
    assert found.diagnostics["hard"].tolist() == [2, 1, 1]
    assert found.diagnostics["gain"][0] == pytest.approx((plain - without)[rows].mean())
    assert found.diagnostics["donor"][0] == pytest.approx((other - without)[rows].mean())
    assert found.score[0] == pytest.approx((plain - other)[rows].mean())
    alone = replace(made, less_donor=False)
    np.testing.assert_allclose(alone.score(TRACE, have).score, found.diagnostics["gain"])
    assert len(alone.wants(TRACE, EMPTY)) == 2 + 3


def test_a_proxy_says_what_is_hard():
    made = detector(proxy="base")
    have = evidence(made, hard=np.where(np.arange(12) == 11, 9.0, 0.0))
    have = replace(have, readings=have.readings | {PLAIN: Reading(logprob=-np.ones(12))})
    assert Read(top_entropy=16, condition=Condition("base")) in made.wants(TRACE, EMPTY)
    assert made.score(TRACE, have).diagnostics["hard"].tolist() == [1, 1, 1]


def test_without_a_hard_token_or_another_trace_it_is_undefined():
    made = detector()
    found = made.score(TRACE, evidence(made, hard=np.zeros(12)))
    assert np.isnan(found.score).all()
    assert found.reason == "no token is hard"
    alone = Evidence(1, "", ())
    assert len(made.wants(TRACE, alone)) == 2 + 3
    found = made.score(TRACE, evidence(made, have=alone))
    assert np.isnan(found.score).all()
    assert np.isfinite(found.diagnostics["gain"]).all()
