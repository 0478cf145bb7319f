"""`support`: by hand, where base has RL's sentences and where it has not."""

from dataclasses import replace

import numpy as np
import pytest

from harness import (
    Compare,
    Comparison,
    Condition,
    Draw,
    Evidence,
    Problem,
    Reading,
    Rollouts,
    Sentence,
    Trace,
)
from methods.support import OF_BASE, OF_RL, Support

PROBLEM = Problem("p", "q", "a", None, "s", "evaluate")
TRACE = Trace(
    "t", PROBLEM, "m", "r", 0, (1,), (1, 2, 3), "",
    (Sentence("", 0, 2, None), Sentence("", 2, 3, None)), "a", True, "", "",
)  # fmt: skip
OWN = Support("least", "", "base", 0.2, 10.0)
RL, BASE = Condition(""), Condition("base")


def drawn(rl: list[float], base: list[float], least: list[float]) -> Rollouts:
    n = len(rl)
    with np.errstate(divide="ignore"):
        sampled = {RL: np.log(rl), BASE: np.log(base)}
    lowest = {BASE: np.array(least, dtype=np.float64)}
    no = np.zeros(n, bool)
    return Rollouts(np.arange(n), ("",) * n, no, ("x",) * n, sampled=sampled, least=lowest)


WRITES = drawn([0.2, 0.6], [0.4, 0.4], [-1, -2])  # weights .5 and 1.5
RARE = drawn([0.04, 0.04], [1.0, 1.0], [-1, -2])  # RL goes elsewhere
EVIDENCE = Evidence(
    2, "", (),
    rollouts={(OF_BASE, 0): WRITES, (OF_BASE, 1): RARE},
    readings={BASE: Reading(logprob=np.array([-0.5, -3, -20], np.float32))},
    answers={Compare(RL, BASE): Comparison(*[np.array([0.1, 0.2, 3], np.float32)] * 3)},
)  # fmt: skip


def test_by_hand_where_rl_wrote_the_trace():
    found = OWN.score(TRACE, EVIDENCE)
    assert found.score.tolist() == pytest.approx([3, 20])
    assert found.diagnostics["mean_weight"].tolist() == pytest.approx([1, 0.04])
    assert found.diagnostics["effective_share"].tolist() == pytest.approx([1 / 1.25, 1])
    assert found.diagnostics["kl"].tolist() == pytest.approx([0.3, 3])
    weight = replace(OWN, mode="weight").score(TRACE, EVIDENCE).score
    assert weight.tolist() == pytest.approx([0, 0.96])


def test_where_base_wrote_the_trace_rl_draws_its_own_sentences():
    turned = Support("least", "rl", "", 0.2, 10.0)
    rl, base = Condition("rl"), Condition("")
    wants = [w for w in turned.wants(TRACE, Evidence(2, "", ())) if isinstance(w, Draw)]
    assert {(w.arm, w.condition, w.until, w.temperature, w.top_p) for w in wants} == {
        (OF_BASE, base, "sentence", 1.0, 1.0),
        (OF_RL, rl, "sentence", 1.0, 1.0),
    }
    swap = {RL: rl, BASE: base}
    there = {
        (arm, k): replace(r, sampled={swap[c]: v for c, v in r.sampled.items()},
                          least={base: r.least[BASE]})
        for arm in (OF_BASE, OF_RL) for k, r in enumerate((WRITES, RARE))
    }  # fmt: skip
    answers = {Compare(rl, base): EVIDENCE.answers[Compare(RL, BASE)]}
    found = turned.score(TRACE, Evidence(2, "", (), rollouts=there, answers=answers))
    assert found.score.tolist() == pytest.approx([1.5, 1.5])
    assert found.diagnostics["mean_weight"].tolist() == pytest.approx([1, 0.04])


def test_a_rare_heavy_weight_is_capped_or_undefined():
    heavy = drawn([1.0, 0.01, 0.01], [0.02, 0.5, 0.48], [-1, -1, -1])
    have = replace(EVIDENCE, rollouts={**EVIDENCE.rollouts, (OF_BASE, 0): heavy})
    kept = replace(OWN, min_ess=0.1).score(TRACE, have).diagnostics
    assert kept["mean_weight"][0] == pytest.approx((50 + 0.02 + 0.01 / 0.48) / 3)
    assert kept["capped_weight"][0] == pytest.approx((10 + 0.02 + 0.01 / 0.48) / 3)
    lost = replace(OWN, min_ess=0.5).score(TRACE, have).diagnostics
    assert np.isnan([lost["mean_weight"][0], lost["capped_weight"][0]]).all()
    assert lost["effective_share"][0] == pytest.approx(1 / 3, abs=0.001)
