"""SIGKILL while a validation samples: it ends with the same rows, nothing recorded twice."""

import shutil
import time
from pathlib import Path

import polars as pl
import pytest

from tests.harness.forked import started
from tests.harness.interventions.validation.test_job import recorded

pytestmark = pytest.mark.slow

LINE = ("validate=[stability]", "engine.slots=16")


def _validate(run: Path) -> None:
    from harness.cli.validation import validation
    from harness.interventions.validation.job import validate

    (outcome,) = validate(validation([str(run), *LINE]))
    assert not outcome.failed


def test_a_killed_validation_ends_as_if_never_killed(alone: Path, tmp_path: Path):
    for name in ("whole", "cut"):
        shutil.copytree(alone / "r", tmp_path / name / "r")
    whole, cut = tmp_path / "whole" / "r", tmp_path / "cut" / "r"
    _validate(whole)
    process = started(_validate, cut)
    for _ in range(6000):
        if list(cut.glob("validate/rl/rollouts/*/*.parquet")) or not process.is_alive():
            break
        time.sleep(0.02)
    process.kill()
    process.join()
    before = len(recorded(cut)) if list(cut.glob("validate/*/rollouts/*/*.parquet")) else 0
    _validate(cut)
    expected, found = recorded(whole), recorded(cut)
    assert before <= len(found)
    assert len({row[:4] for row in found}) == len(found)
    assert [row[:4] for row in found] == [row[:4] for row in expected]
    a, b = (pl.read_parquet(run / "validate" / "stability.parquet") for run in (whole, cut))
    reading = pl.col("method") == "attention"
    key = ("trace_id", "part", "sentence")
    assert a.filter(reading).sort(key).equals(b.filter(reading).sort(key), null_equal=True)
