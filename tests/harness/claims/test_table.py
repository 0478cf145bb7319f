import polars as pl
import pytest

from harness.claims import Part, claims_frame
from harness.store import schema
from tests.harness.claims.made import claim, frames

YES = Part("a ~ b", 0.7, 0.55, 0.8, 20)
NO = Part("a ~ c", 0.2, 0.1, 0.25, 18)


def test_a_claim_of_one_part_is_one_row():
    found = claims_frame({"so": claim(YES)}, frames({}))
    assert found.schema == schema.CLAIMS
    row = found.row(0, named=True)
    assert (row["claim"], row["part"], row["text"]) == ("so", "", "It is so.")
    assert (row["effect"], row["low"], row["high"], row["n_problems"]) == (0.7, 0.55, 0.8, 20)
    assert (row["supported_from"], row["contradicted_below"]) == (0.5, 0.3)
    assert (row["verdict"], row["missing"], row["unit"]) == ("supported", "", "points")
    assert row["worlds"] == "supported in deploys, contradicted or undecided in style"
    assert row["p_holm"] == row["p"] < 0.025


def test_several_parts_stand_below_their_claim():
    found = claims_frame({"so": claim(YES, NO)}, frames({}))
    assert found["part"].to_list() == ["", "a ~ b", "a ~ c"]
    assert found["verdict"].to_list() == ["contradicted", "supported", "contradicted"]
    assert found["effect"].to_list() == [None, 0.7, 0.2]
    assert found["n_problems"].to_list() == [18, 20, 18]


def test_what_stands_beside_decides_nothing():
    beside = Part("a ~ d", 0.1, 0.0, 0.2, 20, decides=False)
    found = claims_frame({"so": claim(YES, beside)}, frames({}))
    assert found["verdict"].to_list() == ["supported", "supported", None]
    assert found["effect"].to_list() == [0.7, 0.7, 0.1]
    last = found.row(2, named=True)
    assert [last[k] for k in ("p", "supported_from", "contradicted_below")] == [None] * 3


def test_holm_runs_over_the_claims_that_were_tested():
    missing = Part("", missing="add method=[x]")
    given = {"a": claim(YES), "b": claim(missing), "c": claim(YES)}
    found = claims_frame(given, frames({}))
    assert found.filter(claim="b").row(0, named=True)["p_holm"] is None
    p = found.filter(claim="a")["p"].item()
    assert found.filter(pl.col("claim") != "b")["p_holm"].to_list() == pytest.approx([2 * p] * 2)
