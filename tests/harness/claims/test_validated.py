from typing import Any

import polars as pl

from harness.claims import claims_frame
from harness.claims.claim import Claim
from harness.claims.validated import Validated
from harness.store import schema
from tests.harness.claims.made import NOTHING, frames

TEST = Validated("tokens", "cost", None, ("matched",), ("random",), "probability")


def row(part: str, low: float | None, high: float | None, **more: Any) -> dict[str, Any]:
    value = None if low is None or high is None else (low + high) / 2
    given = {"validation": "tokens", "part": part, "measure": "cost", "n_problems": 20}
    return given | {"value": value, "low": low, "high": high} | more


def judged(*rows: dict[str, Any], test: Validated = TEST) -> pl.DataFrame:
    claim = Claim("It is so.", "somewhere", 0.0, 0.0, NOTHING, (), test)
    effects = pl.DataFrame(list(rows), schema=schema.VALIDATION_SUMMARY)
    return claims_frame({"c": claim}, frames({}, effects=effects))


def test_the_furthest_point_of_the_curve_decides():
    found = judged(row("matched", -0.2, -0.1, at=1.0), row("matched", 0.1, 0.3, at=5.0))
    assert found["verdict"][0] == "supported"
    assert found["effect"][0] == 0.2
    turned = judged(row("matched", -0.2, -0.1, at=5.0), row("matched", 0.1, 0.3, at=1.0))
    assert turned["verdict"][0] == "contradicted"


def test_what_stands_beside_does_not_decide():
    found = judged(row("matched", -0.1, 0.1), row("random", 0.2, 0.4))
    assert found["verdict"].to_list() == ["undecided", "undecided", None]
    assert found["part"].to_list() == ["", "matched", "random"]


def test_all_that_decide_must_hold():
    both = Validated("tokens", "cost", None, ("matched", "random"), (), "probability")
    assert (
        judged(row("matched", 0.1, 0.2), row("random", 0.1, 0.2), test=both)["verdict"][0]
        == "supported"
    )
    one = judged(row("matched", 0.1, 0.2), row("random", -0.2, -0.1), test=both)
    assert one["verdict"][0] == "contradicted"
    lost = judged(row("matched", 0.1, 0.2), test=both)
    assert lost["verdict"][0] == "undecided"


def test_what_is_missing_or_undefined_is_said():
    found = judged()
    assert found["verdict"][0] == "not tested"
    assert found["missing"][0] == "run python -m harness.validate results/r 'validate=[tokens]'"
    none = judged(row("matched", None, None, reason="no problem has a value"))
    assert none["verdict"][0] == "undecided"
    assert "no problem has a value" in none["missing"][0]
