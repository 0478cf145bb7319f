from typing import Any

import polars as pl
import pytest

from harness.claims import claims_frame
from harness.claims.claim import Claim
from harness.claims.stable import Stable
from harness.store import schema
from tests.harness.claims.made import NOTHING, frames

BOTH = ("attention", "resampling_plain")
TEST = Stable("topdown", BOTH, ("resampling_plain",), 0.5, "topdown under structure")


def row(method: str, low: float | None, high: float | None, **more: Any) -> dict[str, Any]:
    middle = None if low is None or high is None else (low + high) / 2
    given = {"validation": "stability", "part": "rl", "measure": "topdown", "unit": "correlation"}
    return given | {"method": method, "value": middle, "low": low, "high": high} | more


def judged(*rows: dict[str, Any], **more: Any) -> pl.DataFrame:
    claim = Claim("It is so.", "somewhere", 0.75, 0.3, NOTHING, (), TEST)
    effects = pl.DataFrame(
        [{"n_problems": 20} | each for each in rows], schema=schema.VALIDATION_SUMMARY
    )
    return claims_frame({"before_rl": claim}, frames({}, effects=effects, **more))


DRAWN = {"unit": "disattenuated"}


def test_each_kind_of_detector_has_its_threshold():
    found = judged(row("attention", 0.8, 0.9), row("resampling_plain", 0.55, 0.7, **DRAWN))
    assert found["verdict"].to_list() == ["supported"] * 3
    assert found["supported_from"].to_list() == [0.75, 0.75, 0.5]
    strict = judged(row("attention", 0.55, 0.7), row("resampling_plain", 0.55, 0.7, **DRAWN))
    assert strict["verdict"].to_list() == ["undecided", "undecided", "supported"]


def test_one_detector_that_moved_contradicts():
    found = judged(row("attention", 0.0, 0.2), row("resampling_plain", 0.6, 0.9, **DRAWN))
    assert found["verdict"].to_list() == ["contradicted", "contradicted", "supported"]


def test_one_that_finds_no_anchors_on_either_does_not():
    found = judged(
        row("attention", 0.8, 0.9),
        row("mi", 0.0, 0.2),
        row("resampling_plain", 0.55, 0.7, **DRAWN),
    )
    assert found["verdict"].to_list() == ["supported", "supported", None, "supported"]


def test_one_that_was_not_read_is_asked_for():
    found = judged(row("attention", 0.8, 0.9))
    assert found["verdict"].to_list() == ["not tested", "supported", "not tested"]
    assert found["missing"][0] == "add method=[resampling_plain]"


def test_the_noise_of_draws_must_be_gone():
    found = judged(row("attention", 0.8, 0.9), row("resampling_plain", 0.6, 0.9))
    assert found["verdict"][0] == "undecided"
    assert found["missing"][0] == "noise cannot be taken out; more sampling.draws"


def test_detectors_that_were_told_and_other_measures_stand_beside():
    told = {"gram_coverage": "lexicon=null"}
    other = row("attention", 0.1, 0.2, measure="topdown under structure")
    drawn = row("resampling_plain", 0.55, 0.7, **DRAWN)
    found = judged(
        row("attention", 0.8, 0.9), drawn, row("gram_coverage", 0.0, 0.1), other, given_truth=told
    )
    assert found["verdict"].to_list() == ["supported"] * 3 + [None, None]
    assert found["part"].to_list()[3:] == [
        "gram_coverage (was told what is planted)",
        "attention, topdown under structure",
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "run python -m harness.validate results/r"),
        ([row("x", 0.8, 0.9, measure="spearman")], "add topdown to validate.stability.statistics"),
    ],
)
def test_what_is_missing_is_named(rows: list[dict[str, Any]], said: str):
    found = judged(*rows)
    assert (found["verdict"][0], found["missing"][0]) == ("not tested", said)
