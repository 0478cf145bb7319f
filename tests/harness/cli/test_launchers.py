"""Sweeps whose jobs a launcher starts: the scores of one process, and nothing recorded twice."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.together import check_alike, line

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("launcher", "plugin"),
    [
        ("local_joblib", "hydra_joblib_launcher"),
        ("local_submitit", "hydra_submitit_launcher"),
        ("ray_local", "hydra_ray_launcher"),
    ],
)
def test_the_processes_of_a_launcher_share_a_run(
    alone: Path, tmp_path: Path, launcher: str, plugin: str
) -> None:
    pytest.importorskip(f"hydra_plugins.{plugin}", reason=f"no {plugin} here")
    more = ["report.dpi=50", "agreement.draws=20", "worker=range(2)"]
    started = [f"hydra/launcher={launcher}", "--multirun"]
    command = [sys.executable, "-m", "harness", *line(tmp_path, *more), *started]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    check_alike(tmp_path, alone)
    assert list((tmp_path / "r" / ".leases").iterdir()) == []
