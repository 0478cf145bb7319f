"""A run folder with a tiny real model behind it."""

from pathlib import Path

import pytest
from filelock import FileLock

from harness.cli.checks import plan
from harness.evidence.requests import Recorder
from harness.evidence.sampling import Sampling, Screen
from harness.models.model import Model, Subject
from harness.problems import Jsonl
from harness.text.segmentation import Segmentation
from tests.harness.together import line

SAMPLING = Sampling(
    draws=5, schedule="fixed", stretch=8, pilot=4, chunk=2, temperature=1.0, top_p=1.0,
    max_tokens=60, answer_tokens=8, seed=3, traces=1, attempts=3, keep="all",
    screen=Screen(0, 0.0, 1.0), splits=4,
)  # fmt: skip


@pytest.fixture(scope="session")
def subject(tiny: Path) -> Subject:
    return Subject(
        Model("tiny", str(tiny), None, "float32", "cpu", None, "", "", " total is", False, {}, ())
    )


@pytest.fixture
def recorder(tmp_path: Path, subject: Subject, questions: Path) -> Recorder:
    problems = Jsonl("q", str(questions), 3, 5, None, "", r"total is (\d)")
    return Recorder(tmp_path, subject, problems, Segmentation("default", 5).segmenter, SAMPLING)


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """What one process makes of a job of all kinds of detectors; made once for all workers."""
    from harness.run.job import job

    base = tmp_path_factory.getbasetemp()
    results = (base if worker_id == "master" else base.parent) / "alone"
    with FileLock(results.with_suffix(".lock")):
        if not results.with_suffix(".done").exists():
            job(plan(line(results)).jobs[0].run)
            results.with_suffix(".done").touch()
    return results
