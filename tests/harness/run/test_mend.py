"""A run that lost or damaged files: the same command makes them again, to the bit."""

import shutil
from pathlib import Path

import pytest

from harness.cli.checks import plan
from harness.core import UserError
from harness.report.unfinished import unfinished
from harness.run.job import job
from harness.store import folder
from harness.store.status import lacking
from tests.harness.together import check_alike, line


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def test_the_same_command_repairs_what_can_be_made_again(alone: Path, tmp_path: Path, capsys):
    shutil.copytree(alone / "r", tmp_path / "r")
    run = tmp_path / "r"
    assert unfinished(run) == folder.unchecked(run) == []
    for name in ("problems", "sentences", "scores/mi"):
        flip(run / f"{name}.parquet")
    flip(run / "status" / "attention.json")
    flip(sorted((run / "tokens").glob("*.parquet"))[0])
    lost = sorted((run / "rollouts").glob("*/*.parquet"))[-1]
    lost.unlink()
    (run / "status" / "attention.json").rename(tmp_path / "attention.json")
    assert lacking(run)["resampling_plain"][0].startswith("rollouts: ")
    (tmp_path / "attention.json").rename(run / "status" / "attention.json")
    job(plan(line(tmp_path)).jobs[0].run)
    assert capsys.readouterr().err.count("is made again") >= 5
    check_alike(tmp_path, alone)
    assert unfinished(run) == []


def test_traces_without_their_rollouts_are_refused(alone: Path, tmp_path: Path):
    run = tmp_path / "r"
    shutil.copytree(alone / "r", run)
    flip(run / "traces.parquet")
    flip(sorted((run / "rollouts").glob("*/*.parquet"))[0])
    with pytest.raises(UserError, match=r"rollouts/.*: is damaged, and so are the traces"):
        folder.mend(run)
    assert (run / "traces.parquet").exists()


def test_a_damaged_run_yaml_is_refused(alone: Path, tmp_path: Path):
    run = tmp_path / "r"
    shutil.copytree(alone / "r", run)
    flip(run / "run.yaml")
    with pytest.raises(UserError, match=r"run\.yaml: (is damaged|is no YAML).*restore it"):
        plan(line(tmp_path))
