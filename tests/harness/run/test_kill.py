"""SIGKILL at random moments: nothing finished is lost for good, nothing is recorded twice."""

import random
import time
from pathlib import Path

import polars as pl
import pytest

from tests.harness.forked import err, harness

pytestmark = pytest.mark.slow


def command(tiny: Path, questions: Path, results: Path) -> list[str]:
    return [
        "method=resampling,mi_peaks", "--multirun",
        f"results={results}", "run=k", f"model.path={tiny}", "model.name=tiny",
        "model.dtype=float32", "problems=jsonl", f"problems.path={questions}", "problems.limit=3",
        "problems.reference=5", "sampling.max_tokens=60", "sampling.draws=15", "sampling.chunk=3",
        "sampling.temperature=1", "sampling.top_p=0.95", "sampling.splits=2", "engine.slots=4",
        "report.dpi=50", "agreement.draws=20",
    ]  # fmt: skip


def finished(command: list[str], folder: Path) -> None:
    process = harness(command, folder)
    process.join(240)
    assert process.exitcode == 0, err(folder).read_text()


def recorded(run: Path) -> list[tuple[str, int, str, int, list[int]]]:
    files = sorted(run.glob("rollouts/*/*.parquet"))
    columns = ["trace_id", "boundary", "arm", "draw", "token_ids"]
    return sorted(pl.concat([pl.read_parquet(f, columns=columns) for f in files]).iter_rows())


def test_killed_runs_end_as_if_never_killed(tmp_path: Path, tiny: Path, questions: Path) -> None:
    finished(["--version"], tmp_path)  # what is imported is there
    start = time.monotonic()
    finished(command(tiny, questions, tmp_path / "whole"), tmp_path)
    took = time.monotonic() - start
    cut = command(tiny, questions, tmp_path / "cut")
    moments = random.Random(0)
    for _ in range(2):
        process = harness(cut, tmp_path)
        process.join(took * moments.uniform(0.3, 1.0))
        process.kill()
        process.join()
    finished(cut, tmp_path)
    sentences = pl.read_parquet(tmp_path / "whole/k/sentences.parquet")
    assert len(sentences) > 5
    expected, found = recorded(tmp_path / "whole" / "k"), recorded(tmp_path / "cut" / "k")
    keys = [row[:4] for row in found]
    assert len(keys) == len(set(keys))
    assert found == expected
    for name in ("resampling", "mi_peaks"):
        a, b = (
            pl.read_parquet(tmp_path / r / f"k/scores/{name}.parquet") for r in ("whole", "cut")
        )
        assert a.equals(b, null_equal=True)
