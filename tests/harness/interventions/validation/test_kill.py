"""SIGKILL while a validation samples: it ends with the same rows, nothing recorded twice."""

import random
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest

from harness import Draw
from harness.cli.validation import validation
from harness.interventions.validation.effects import by_problem, mean, summary_frame
from harness.interventions.validation.job import validate
from tests.harness.forked import started
from tests.harness.interventions.validation.test_job import recorded

pytestmark = pytest.mark.slow

DRAWS = 24


@dataclass(frozen=True)
class Behind:
    """P(correct) behind the first two sentences."""

    def wants(self, trace, have):
        return [Draw(k, DRAWS, until="answer", arm="behind") for k in (1, 2)]

    def rows(self, trace, evidence):
        right = [evidence.rollouts["behind", k].correct.mean() for k in (1, 2)]
        return pl.DataFrame({"part": ["1", "2"], "value": right, "n": [DRAWS] * 2})

    def summary(self, frame, conf):
        return summary_frame([mean(by_problem(frame, {"part": "1"}), conf, {"part": "1"})])


def _validate(run: Path) -> None:
    settings = validation([str(run), "validate=[stability]", "engine.slots=48"])
    chosen = {"behind": Behind()}
    (outcome,) = validate(replace(settings, interventions=chosen, nodes={"behind": {}}))
    assert not outcome.failed


def test_a_killed_validation_ends_as_if_never_killed(alone: Path, tmp_path: Path):
    for name in ("whole", "cut"):
        shutil.copytree(alone / "r", tmp_path / name / "r")
    whole, cut = tmp_path / "whole" / "r", tmp_path / "cut" / "r"
    start = time.monotonic()
    _validate(whole)
    took = time.monotonic() - start
    moments = random.Random(0)
    for _ in range(2):
        process = started(_validate, cut)
        while process.is_alive() and not (cut / "validate").exists():
            time.sleep(0.02)
        process.join(took * moments.uniform(0.1, 0.9))
        process.kill()
        process.join()
    _validate(cut)
    expected, found = recorded(whole), recorded(cut)
    assert len(expected) == 3 * 2 * DRAWS
    assert found == expected  # each once, and the same
    a, b = (pl.read_parquet(run / "validate" / "behind.parquet") for run in (whole, cut))
    assert a.equals(b, null_equal=True)
