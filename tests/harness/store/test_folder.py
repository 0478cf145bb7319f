"""The run folder: made once, refused to another run, never a place that is something else."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from harness.cli.checks import plan
from harness.core import UserError
from harness.run.settings import RunSettings
from harness.store.folder import check, check_place, commit, identity, make, set_aside

CHEAP = ["problems=jsonl", "sampling.max_tokens=60", "method=mi"]


@pytest.fixture(scope="module")
def made(tiny: Path, questions: Path) -> RunSettings:
    return plan([*CHEAP, f"model.path={tiny}", f"problems.path={questions}"]).jobs[0].run


@pytest.fixture
def job(made: RunSettings, tmp_path: Path) -> RunSettings:
    return replace(made, folder=tmp_path / "results" / "a")


def test_a_folder_is_made_once_and_taken_by_the_same_run(job: RunSettings) -> None:
    make(job.folder, job.values, job.identity, "revision")
    written = (job.folder / "run.yaml").read_text()
    make(job.folder, job.values, job.identity, "another")
    assert (job.folder / "run.yaml").read_text() == written
    assert identity(job.folder) == dict(job.identity)
    assert list(os.listdir(job.folder)) == ["run.yaml"]


def test_another_run_is_refused_with_the_keys_named(job: RunSettings) -> None:
    make(job.folder, job.values, job.identity, "")
    other = replace(job, identity={**job.identity, "sampling.seed": 7, "model.name": "x"})
    with pytest.raises(UserError) as caught:
        check(other.folder, other.identity)
    assert "sampling.seed (0 there, 7 here)" in str(caught.value)
    assert f"model.name ({job.model.name!r} there, 'x' here)" in str(caught.value)
    assert "problems" not in str(caught.value).replace(str(job.folder), "")


@pytest.mark.parametrize("text", ["", "x", "a: 1", "identity: 3", "identity: [", "\x00"])
def test_a_broken_run_yaml_is_named(job: RunSettings, text: str) -> None:
    job.folder.mkdir(parents=True)
    (job.folder / "run.yaml").write_text(text)
    with pytest.raises(UserError, match=r"run\.yaml: (is no YAML|holds no keys|has no identity)"):
        check(job.folder, job.identity)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    check_place(tmp_path / "new" / "run")
    check_place(tmp_path)
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UserError, match=r"is no run folder \(it holds thesis\.tex\)"):
        check_place(tmp_path)
    with pytest.raises(UserError, match="is no run folder"):
        set_aside(tmp_path)
    with pytest.raises(UserError, match=r"thesis\.tex is a file"):
        check_place(tmp_path / "thesis.tex" / "results" / "run")
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_old_runs_are_moved_aside_each_under_a_name_of_its_own(job: RunSettings) -> None:
    set_aside(job.folder)
    for number in range(3):
        make(job.folder, job.values, job.identity, "")
        (job.folder / "number").write_text(str(number))
        set_aside(job.folder)
    aside = sorted(job.folder.parent.iterdir(), key=lambda p: (p / "number").read_text())
    assert [(p / "number").read_text() for p in aside] == ["0", "1", "2"]
    assert all(p.name.startswith("a.2") for p in aside)
    assert not job.folder.exists()


def test_run_yaml_holds_what_was_run(job: RunSettings) -> None:
    make(job.folder, job.values, job.identity, "abc")
    content = yaml.safe_load((job.folder / "run.yaml").read_text())
    assert content["method"]["mi"]["sigma"] == job.values["method"]["mi"]["sigma"]
    assert content["revision"] == "abc"
    assert content["versions"]["torch"]
    assert content["git"] == commit()
