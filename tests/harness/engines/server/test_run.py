"""`python -m harness engine=server` on the organism, whose server comes and goes."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harness.store.reading import read_json
from tests.harness.engines.server.service import Service
from tests.harness.line import harness_exit
from tests.harness.rolling import scene
from tests.harness.run.test_kill import recorded

pytestmark = pytest.mark.slow

Line = Callable[..., int]
BASE = [
    "engine=server", "engine.patience=0", "engine.slots=5", "method=[resampling_plain]", "run=s",
    "problems.limit=1", "problems.reference=5", "sampling.draws=5", "sampling.chunk=5",
    "report.dpi=50", "agreement.draws=20",
]  # fmt: skip


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    """`python -m harness` in this process, from an empty folder."""
    monkeypatch.chdir(tmp_path)
    return partial(harness_exit, monkeypatch, *BASE)


def test_a_run_keeps_what_was_finished_and_goes_on(
    harness: Line, capfd: pytest.CaptureFixture[str]
) -> None:
    assert harness() == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("error: engine.url: no server at http://127.0.0.1:8000/v1 (")
    assert os.listdir() == []

    where = scene()
    service = Service(where.subject, where.stops, [""] * 6 + ["error"] * 100)
    url = f"engine.url={service.url}"
    assert harness(url) == 2
    out, err = capfd.readouterr()
    told = [line for line in err.splitlines() if " left" not in line]  # on a slow machine
    assert (out, len(told)) == ("", 1)
    assert "fails (it answers 500 out of memory); what is finished is kept" in err
    run = Path("results/s")
    before = recorded(run)
    assert len(before) == 4 + 5 * 5  # the attempts of the problem, then chunks of five

    service.faults.clear()
    assert harness(url) == 0
    after = recorded(run)
    assert set(map(str, before)) < set(map(str, after))
    assert len({row[:4] for row in after}) == len(after)
    status = read_json(run / "status/resampling_plain.json")
    assert status["state"] == "done"
    assert status["engine"]["requests"] > 2

    # What is there needs no server: nothing is sampled again.
    service.kill()
    capfd.readouterr()
    assert harness(url) == 0
    assert recorded(run) == after
