"""What arms mean is written beside them, and no two meanings mix."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from harness.core import Condition, Departure, Draw, Edit, Forbid, Steer, UserError
from harness.evidence.draws.arms import FILE, declare, meanings
from harness.store.files import add_part, rows
from harness.store.schema import ROLLOUTS
from tests.harness.conftest import SAMPLING

OWNER = "q/1#0"
PLAIN_DRAW = Draw(0, 3)


def kept(run: Path) -> dict:
    (path,) = run.glob(f"rollouts/*/{FILE}")
    return json.loads(path.read_text())


def test_each_arm_says_what_it_means(tmp_path: Path) -> None:
    under = (Forbid((" so",)), Steer(1, (0.5, 1.0), (0,)))
    changed = Condition("base", (Edit(0, 1, " no."),), under)
    declare(tmp_path, OWNER, [PLAIN_DRAW, Draw(2, 3, "sentence", "b", condition=changed)], SAMPLING)
    found = kept(tmp_path)
    assert found["resample"] == {
        "until": "end", "append": "", "of": "", "checkpoint": "", "under": [], "most": None,
        "temperature": 1.0, "top_p": 1.0, "edits": {"0": []}, "skip": {"0": 0},
        "leaves": {"0": False},
    }  # fmt: skip
    assert found["b"]["checkpoint"] == "base"
    assert found["b"]["edits"] == {"2": [[0, 1, " no."]]}
    forbid, steer = found["b"]["under"]
    assert forbid == {"kind": "Forbid", "words": [" so"]}
    assert (steer["kind"], steer["layer"], steer["at"]) == ("Steer", 1, [0])
    assert len(steer["vector"]) == 16


def test_boundaries_are_added_and_nothing_is_written_twice(tmp_path: Path) -> None:
    declare(tmp_path, OWNER, [PLAIN_DRAW], SAMPLING)
    (path,) = tmp_path.glob(f"rollouts/*/{FILE}")
    before = path.stat().st_mtime_ns
    declare(tmp_path, OWNER, [Draw(0, 9)], SAMPLING)
    assert path.stat().st_mtime_ns == before
    declare(tmp_path, OWNER, [Draw(1, 3)], SAMPLING)
    assert kept(tmp_path)["resample"]["edits"] == {"0": [], "1": []}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Draw(0, 3, "answer"), "until='end' and is wanted with until='answer'"),
        (Draw(1, 3, append="x"), "append='' and is wanted with append='x'"),
        (Draw(0, 3, temperature=0.5), "temperature=1.0"),
        (Draw(0, 3, most=5), "most=None"),
        (Draw(0, 3, condition=Condition("base")), "checkpoint=''"),
        (Draw(0, 3, leaving=(Departure(0, 4),) * 3), "leaves at 0=False"),
        (Draw(0, 3, skip=1), "skip at 0=0"),
        (Draw(0, 3, condition=Condition(under=(Forbid((" so",)),))), r"under=\[\]"),
    ],
)
def test_an_arm_meant_in_another_way_is_refused(tmp_path: Path, other: Draw, said: str) -> None:
    declare(tmp_path, OWNER, [PLAIN_DRAW], SAMPLING)
    before = kept(tmp_path)
    with pytest.raises(UserError, match=rf"^arm resample of q/1#0 was drawn with {said}"):
        declare(tmp_path, OWNER, [other], SAMPLING)
    assert kept(tmp_path) == before


def test_one_job_cannot_mean_two_things_either() -> None:
    with pytest.raises(UserError, match=r"^arm resample is wanted with until='end'.*'answer', too"):
        meanings([PLAIN_DRAW, Draw(1, 3, "answer")], SAMPLING)
    both = meanings([PLAIN_DRAW, replace(PLAIN_DRAW, after=()), Draw(4, 3)], SAMPLING)
    assert set(both) == {"resample"}


@pytest.mark.parametrize(
    ("ends", "methods", "means"),
    [
        (["answer", "length"], {}, "answer"),
        (["stop", "sentence"], {}, "sentence"),
        (["length"], {"a": {"until": "answer"}}, "answer"),
        (["stop"], {"a": {"until": "end"}, "b": {"k": 1}}, "end"),
        (["stop"], {"a": {"until": "end"}, "b": {"until": "answer"}}, "asked"),
        (["stop"], {}, "asked"),
    ],
)
def test_rollouts_made_before_mean_what_they_and_their_run_say(
    tmp_path: Path, ends: list[str], methods: dict, means: str
) -> None:
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({"method": methods}))
    made = [{"trace_id": OWNER, "arm": "resample", "finish_reason": end} for end in ends]
    declare(tmp_path, OWNER, [Draw(0, 1, arm="other")], SAMPLING)
    add_part(next(tmp_path.glob("rollouts/*")), rows(made, ROLLOUTS))
    for until in ("end", "answer", "sentence"):
        asked = Draw(0, 3, until)
        if means in ("asked", until):
            declare(tmp_path, OWNER, [asked], SAMPLING)
            assert kept(tmp_path)["resample"]["until"] == until
            return
        with pytest.raises(UserError, match=f"until='{means}' and is wanted with until='{until}'"):
            declare(tmp_path, OWNER, [asked], SAMPLING)
