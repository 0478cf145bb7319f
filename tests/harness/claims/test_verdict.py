import numpy as np
import pytest
from scipy import stats

from harness.claims import Part
from harness.claims.verdict import Judged, beyond, holm, judged, together
from tests.harness.claims.made import CONF, claim


@pytest.mark.parametrize(
    ("part", "verdict", "said"),
    [
        (Part("", 0.7, 0.55, 0.8, 20), "supported", ""),
        (Part("", 0.2, 0.1, 0.29, 20), "contradicted", ""),
        (Part("", 0.4, 0.35, 0.45, 20), "undecided", "no number of problems decides"),
        (Part("", 0.6, 0.45, 0.7, 20), "undecided", "problems would decide"),
        (Part("", 0.7, 0.55, 0.8, 20, reason="unreliable: x"), "undecided", "unreliable: x"),
        (Part("", None, None, None, 7), "undecided", "7 problems: at least 10 are needed"),
        (Part("", None, None, None, 7, reason="unreliable: x"), "undecided", "7 problems"),
        (Part("", None, None, None, 20, reason="unreliable: x"), "undecided", "unreliable: x"),
        (Part("", None, None, None, 20), "undecided", "the effect is undefined"),
        (Part("", missing="add method=[mi]"), "not tested", "add method=[mi]"),
        (Part("", 0.7, 0.55, 0.8, 20, p=0.06), "undecided", "problems would decide"),
        (Part("", 0.7, 0.55, 0.8, 20, p=0.04), "supported", ""),
        (Part("", 0.2, 0.1, 0.29, 20, p_below=0.06), "undecided", "problems would decide"),
    ],
)
def test_a_part_gets_the_verdict_of_its_interval(part: Part, verdict: str, said: str):
    found = judged(part, claim(), CONF)
    assert found.verdict == verdict
    assert said in found.missing
    assert (found.missing == "") == (said == "")


def test_the_number_of_problems_that_decide_is_that_of_the_power_formula():
    found = judged(Part("", 0.6, 0.45, 0.75, 20), claim(), CONF)
    error = 0.15 / stats.norm.ppf(0.975) * np.sqrt(20)
    needed = ((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * error / (0.6 - 0.5)) ** 2
    assert found.missing == f"about {int(np.ceil(needed))} problems would decide"


@pytest.mark.parametrize("low", [0.3, 0.4999, 0.5, 0.5001, 0.6])
def test_p_and_interval_say_the_same(low: float):
    part = Part("", 0.7, low, 0.9, 20)
    assert (beyond(part, 0.5, CONF) < 0.025) == (low > 0.5)
    assert beyond(Part("", 0.5, low - 0.3, 0.9, 20), 0.5, CONF) == pytest.approx(0.5)


def test_an_interval_without_width_leaves_no_doubt():
    assert beyond(Part("", 0.7, 0.7, 0.7, 20), 0.5, CONF) == 0
    assert beyond(Part("", 0.2, 0.2, 0.2, 20), 0.5, CONF) == 1


def test_several_parts_are_a_conjunction():
    yes, no = Part("", 0.7, 0.55, 0.8, 20), Part("", 0.2, 0.1, 0.25, 20)
    weak, absent = Part("", 0.7, 0.4, 0.9, 20), Part("", missing="add x")

    def verdict(*parts: Part) -> str:
        return together([judged(part, claim(), CONF) for part in parts], CONF).verdict

    assert verdict(yes, yes) == "supported"
    assert verdict(yes, no) == verdict(absent, no) == verdict(weak, no) == "contradicted"
    assert verdict(yes, weak) == "undecided"
    assert verdict(yes, absent) == verdict(weak, absent) == "not tested"


def test_p_of_a_conjunction_is_the_largest_and_of_a_contradiction_the_smallest_times_all():
    yes, less = Part("", 0.7, 0.55, 0.8, 20), Part("", 0.7, 0.51, 0.8, 20)
    ps = [judged(part, claim(), CONF).p for part in (yes, less)]
    assert together([judged(p, claim(), CONF) for p in (yes, less)], CONF).p == max(ps)
    no = judged(Part("", 0.2, 0.1, 0.25, 20), claim(), CONF)
    assert no.p == pytest.approx(1 - stats.norm.cdf(0.1 / 0.05 * stats.norm.ppf(0.975)))
    assert together([judged(yes, claim(), CONF), no], CONF).p == pytest.approx(2 * no.p)


def test_holm_by_hand_and_what_is_no_test_is_skipped():
    p = [0.01, None, 0.04, 0.03, 0.005, None]
    assert holm(p) == [pytest.approx(v) if v else None for v in (0.03, 0, 0.06, 0.06, 0.02, 0)]
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_a_part_of_several_that_lies_barely_below_contradicts_nothing():
    barely = Judged("contradicted", 0.02, "")
    yes = Judged("supported", 0.001, "")
    assert together([barely], CONF).verdict == "contradicted"
    found = together([barely, yes], CONF)
    assert (found.verdict, found.p) == ("undecided", 0.02)
    assert found.missing == "one of 2 parts may lie so low by chance"
    assert together([Judged("contradicted", 0.01, ""), yes], CONF).verdict == "contradicted"
