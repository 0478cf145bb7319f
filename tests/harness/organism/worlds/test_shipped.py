"""The worlds that ship: their reports, their files, and their gates on a small sample."""

import json
import shutil
from pathlib import Path

import pytest

from harness.core import UserError
from harness.organism.__main__ import _which
from harness.organism.checkpoints import ROOT, WORLDS, known, name_of_weights, rebuild, verify
from harness.organism.program import Decisions
from harness.organism.worlds import make, snapshots

SHIPPED = sorted(p.name for p in WORLDS.iterdir())
# Too few traces for a small sample to tell them from their bounds.
NOISY = {"accuracy_change", "accuracy_difference", "phrase_ratio", "validity", "taught_validity"}
NOISY |= {"valid_sentences", "accuracy", "rl-4_accuracy", *snapshots.WINDOWS}
NOISY |= {"rl-2_weight_at_reviews", "rl-4_weight_at_reviews"}


def test_every_world_is_there_with_reports_whose_gates_passed():
    assert {name.rpartition("-")[0] for name in SHIPPED} | {"deploys"} == set(make.WORLD)
    for name in SHIPPED:
        report = json.loads((WORLDS / name / "report.json").read_text())
        assert f"{report['world']}-{report['seed']}" == name
        assert report["gates"]
        assert all(gate["passed"] for gate in report["gates"].values())
        assert sum(report["seconds"].values()) > 0
        there = {p.name for p in (WORLDS / name).iterdir() if p.is_dir()}
        assert there == set(make.module(report["world"]).CHECKPOINTS)


def test_they_are_small():
    files = [p for p in WORLDS.rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 32e6
    assert max(p.stat().st_size for p in files) < 2e6
    assert {p.suffix for p in files} <= {".json", ".jinja", ".safetensors"}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SHIPPED if name.endswith("-0")])
def test_its_gates_hold_on_a_small_sample(name: str):
    world, _, seed = name.rpartition("-")
    found = make.check(world, int(seed), problems=5, draws=2)
    missed = {k: gate for k, gate in found.items() if not gate.passed and k not in NOISY}
    assert not missed
    told = json.loads((WORLDS / name / "report.json").read_text())["gates"]
    for window in found.keys() & snapshots.WINDOWS:
        assert found[window].value == pytest.approx(told[window]["value"], abs=0.15)


@pytest.mark.slow
def test_a_changed_byte_is_one_line_that_says_how_to_make_it_again(tmp_path: Path):
    copy = tmp_path / "creates-0"
    shutil.copytree(WORLDS / "creates-0", copy)
    verify(copy)
    file = copy / "taught" / "model.safetensors"
    whole = bytearray(file.read_bytes())
    whole[-7] ^= 1
    file.write_bytes(whole)
    line = (
        r"^organism: checkpoint file creates-0/taught/model.safetensors was altered; "
        r"rebuild with python -m harness.organism world=creates seed=0$"
    )
    with pytest.raises(UserError, match=line):
        verify(copy)
    with pytest.raises(UserError, match=line):
        make.check("creates", 0, 1, 1, tmp_path)


def test_the_truth_is_that_of_the_weights_wherever_they_lie(tmp_path: Path):
    shutil.copytree(WORLDS / "creates-0" / "base", tmp_path / "copy")
    found = known(tmp_path / "copy")
    assert isinstance(found, Decisions)
    assert max(found.back.values()) < 1e-6
    assert known(WORLDS / "mimic-0" / "base") == "the answer is 7 whatever the trace says"
    assert known(tmp_path) == "not written by a checkpoint of the organism"
    assert name_of_weights(ROOT / "rl-2") == "rl-2"


def test_what_cannot_be_made_is_one_line(tmp_path: Path):
    with pytest.raises(UserError, match="world=nix: there are deploys, style, creates, mimic"):
        make.make("nix", 0, tmp_path, tmp_path)
    with pytest.raises(UserError, match="world=deploys seed=0 is the organism itself"):
        make.make("deploys", 0, tmp_path, tmp_path)
    line = r"deploys-3 is missing; first python -m harness.organism world=deploys seed=3$"
    with pytest.raises(UserError, match=line):
        make.make("style", 3, tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["wolrd=creates"], "wolrd=creates: give world=NAME and seed=NUMBER"),
        (["world="], "world=: give world=NAME"),
        (["world=style", "seed=x"], "seed=x: must be a whole number"),
        (["seed=1"], "another organism is a world, too: world=deploys seed=1"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(given: list[str], line: str):
    with pytest.raises(UserError, match=line):
        _which(given)


def test_the_command_line_names_a_world_and_a_seed():
    assert _which(["world=style", "seed=1"]) == ("style", 1)
    assert _which([]) == ("", 0)
    assert rebuild(WORLDS / "style-1").endswith("world=style seed=1")
    assert rebuild(ROOT) == "python -m harness.organism"
