"""What a run does behind its detectors: validations and the series, each apart from the other."""

import shutil
from pathlib import Path

import pytest

from harness.cli.checks import composed_jobs, plan
from harness.cli.jobs import behind
from tests.harness.together import line

pytestmark = pytest.mark.slow


def test_a_run_is_validated_where_its_line_says_so(alone: Path, tmp_path: Path) -> None:
    shutil.copytree(alone / "r", tmp_path / "r")
    (job,) = plan(line(tmp_path, "+validate=[swap]")).jobs
    assert behind(job) == []
    assert (tmp_path / "r" / "validate" / "swap_summary.parquet").exists()
    assert not (tmp_path / "r" / "dynamics.parquet").exists()


def test_what_fails_is_one_line_and_leaves_the_rest_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = ("engine=server", "engine.url=http://127.0.0.1:9/v1")
    given = line(tmp_path, "+validate=[swap]", "dynamics.with_run=true", *served)
    (job,) = composed_jobs(given).jobs
    assert behind(job) == [True, True]
    validations, series = capsys.readouterr().err.strip().splitlines()
    assert validations.startswith("error: validate: ")
    assert series.startswith("error: dynamics: engine: a server serves one checkpoint")
    assert all(said.endswith("; the report is made without it") for said in (validations, series))
