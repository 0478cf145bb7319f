"""Which worlds a claim is tested in, with what, and when a verdict is wrong."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harness import UserError
from harness.claims import Claim, claims, claims_frame
from harness.selftest.worlds import found_in, table, tell, turned_on, worlds
from harness.store import schema
from harness.store.files import rows, write_frame
from tests.harness.claims.made import frames
from tests.harness.claims.simulated import RUNS

MODELS = ["organism", "world-creates", "world-creates-1", "world-deploys", "world-style"]
CLAIMS = claims(None)


def chosen(*names: str) -> dict[str, Claim]:
    return {name: CLAIMS[name] for name in names}


def test_every_world_and_seed_of_the_claims_with_all_that_they_need_there():
    found = worlds(chosen("deployed", "before_rl"), MODELS, [0, 1])
    assert [world.model for world in found] == [
        "world-deploys",
        "world-style",
        "world-creates",
        "world-creates-1",
    ]
    line = found[-1].line("worlds")
    assert line == [
        "model=world-creates-1",
        "run=worlds-creates-1",
        "method=[support,resampling_plain,attention,suppression]",
        "+validate=[stability]",
        "dynamics.with_run=false",
    ]
    (alone,) = worlds(chosen("one_phenomenon"), ["world-deploys", "world-style-1"], [0])
    assert (alone.model, list(alone.claims)) == ("world-deploys", ["one_phenomenon"])
    assert not any("validate" in part for part in alone.line("x"))


@pytest.mark.parametrize(
    ("names", "models", "seeds", "said"),
    [
        (["convergence"], MODELS, [0], r"^claim: none of these is known in any world"),
        (["deployed"], ["organism", "world-deploys"], [0], r"no world style; there are deploys"),
        (["deployed"], MODELS, [7], r"^selftest\.seeds: none of \[7\]"),
    ],
)
def test_what_cannot_be_tested_is_one_line(
    names: list[str], models: list[str], seeds: list[int], said: str
):
    with pytest.raises(UserError, match=said):
        worlds(chosen(*names), models, seeds)


def said_there(name: str, effect: float, folder: Path) -> pl.DataFrame:
    """What a world finds whose run has this effect."""
    (world,) = worlds(chosen(name), [f"world-{w}" for w in ("style", "deploys", "creates")], [0])[
        -1:
    ]
    write_frame(folder / "claims.parquet", claims_frame(CLAIMS, RUNS[name](0, effect)))
    return found_in(world, folder)


def test_a_verdict_is_right_where_it_is_what_is_true(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    found = said_there("deployed", 0.2, tmp_path)
    row = found.row(0, named=True)
    assert (row["world"], row["verdict"], row["right"]) == ("creates", "contradicted", True)
    assert tell(found) == 0
    swapped = said_there("deployed", 1.0, tmp_path)
    assert tell(swapped) == 1
    assert capsys.readouterr().err == (
        "wrong: deployed in creates, seed 0: supported, where contradicted is true\n"
    )


def test_a_claim_that_the_run_lacks_is_wrong_and_says_what_to_add(tmp_path: Path):
    (world,) = worlds(chosen("one_phenomenon"), ["world-deploys", "world-style"], [0])[:1]
    write_frame(tmp_path / "claims.parquet", claims_frame(CLAIMS, frames({})))
    found = found_in(world, tmp_path)
    assert (found["verdict"][0], found["right"][0]) == ("not tested", False)
    assert "resampling_plain" in found["missing"][0]


def test_a_part_that_is_known_is_held_to_it_too(tmp_path: Path):
    (world,) = worlds(chosen("two_phases"), ["world-snapshots"], [0])
    write_frame(tmp_path / "claims.parquet", claims_frame(CLAIMS, RUNS["two_phases"](0, -0.1)))
    found = found_in(world, tmp_path)
    known = {row["part"]: row["right"] for row in found.iter_rows(named=True)}
    assert known[""] is True
    assert known["execution falls, first half"] is True
    assert known["planning rises, second half"] is None
    assert table(found, "").row_count == 2


def row(**given: Any) -> dict[str, Any]:
    fixed = {"world": "w", "seed": 0, "claim": "c", "part": "", "verdict": "contradicted"}
    ends = {"supported_from": 0.5, "contradicted_below": 0.3, "expected": "", "right": None}
    return fixed | ends | given


def test_a_verdict_turned_on_the_part_that_is_worst():
    found = rows(
        [
            row(),
            row(part="a", verdict="supported", effect=0.9),
            row(part="b", effect=0.1),
            row(part="c", effect=-0.2),
            row(part="d", world="another", effect=-0.9),
        ],
        schema.WORLDS,
    )
    assert turned_on(found.row(0, named=True), found)["part"] == "c"
