from typing import Any

import pytest

from harness.claims.pairs import Agreeing, Pairing
from tests.harness.claims.made import frames

SCORES = {name: {"p0-0": [1.0, 2.0]} for name in ("x", "y", "z")}
TEST = Agreeing("topdown", 0.3, (Pairing("x", "y", "structure"),), ())


def row(**given: Any) -> dict[str, Any]:
    value = {"value": 0.3, "ceiling": 0.8, "n_problems": 20}
    ends = {"disattenuated": 0.6, "disattenuated_low": 0.4, "disattenuated_high": 0.7}
    return {"a": "y", "b": "x"} | value | ends | given


def test_the_effect_is_the_disattenuated_value_whichever_method_comes_first():
    (part,) = TEST.parts(frames(SCORES, [row(), row(control="all"), row(statistic="spearman")]))
    assert (part.name, part.effect, part.low, part.high) == ("x ~ y", 0.6, 0.4, 0.7)
    assert (part.n_problems, part.reason, part.missing, part.decides) == (20, "", "", True)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"ceiling": 0.2}, "unreliable: the ceiling is 0.20, below 0.3; more sampling.draws"),
        (
            {"disattenuated": None, "share": 0.62},
            "noise cannot be taken out (halves on 62% of the sentences); more sampling.draws",
        ),
        ({"value": None, "disattenuated": None, "ceiling": None}, ""),
    ],
)
def test_why_a_pair_decides_nothing(changed: dict[str, Any], said: str):
    (part,) = TEST.parts(frames(SCORES, [row(**changed)]))
    assert part.reason == said


def test_what_is_missing_is_named_as_an_override():
    test = Agreeing("topdown", 0.3, (Pairing("x", "w", "structure"), Pairing("x", "y", "all")), ())
    absent, uncontrolled = test.parts(frames(SCORES, [row()]))
    assert absent.missing == "add method=[w]"
    assert uncontrolled.missing == (
        "add topdown to agreement.statistics and all to agreement.controls"
    )
    assert uncontrolled.name == "x ~ y beyond wording"


def test_a_method_that_is_defined_nowhere_is_not_asked_for_again():
    (part,) = TEST.parts(frames(SCORES | {"y": {"p0-0": [None, None]}}, [row()]))
    assert part.missing == "y: defined on no sentence of this run"


def test_a_method_that_was_told_what_is_planted_takes_no_part():
    told = {"y": "options.y.lexicon=null"}
    (part,) = TEST.parts(frames(SCORES, [row()], given_truth=told))
    assert part.missing == "y was told what is planted: add options.y.lexicon=null"
    assert part.effect is None


def test_of_several_models_each_is_a_part():
    given = frames(SCORES, [row(model="m"), row(model="n", disattenuated=0.1)])
    assert [(p.name, p.effect) for p in TEST.parts(given)] == [("m: x ~ y", 0.6), ("n: x ~ y", 0.1)]
