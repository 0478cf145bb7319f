"""A run handed on without its bulk says the same, and is not gone on with."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

import harness
from harness.claims import claims
from harness.cli.validation import validation
from harness.convert.__main__ import command
from harness.core import UserError
from harness.report.build import report
from harness.report.settings import Report
from harness.store.folder import check, identity
from harness.store.reading import read_frame, read_yaml
from tests.harness.comparing import load

REFERENCE = Path(__file__).parents[3] / "results" / "reference"
METHODS = ("resampling_plain", "routing", "truth")
FRAMES = ("agreement", "methods", "claims", "families", "enrichment", "reliability")
CONF = replace(load(), statistics=("topdown",), controls=("none", "structure"), draws=20, flips=20)
PAGE = Report(trace=None, dpi=50, example_traces=1, tracker=None)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run and its light copy, both reported on."""
    folder = tmp_path_factory.mktemp("light")
    run, out = folder / "run", folder / "out"
    shutil.copytree(REFERENCE, run, ignore=shutil.ignore_patterns("selftest", "plots", "validate"))
    for path in [*run.glob("scores/*.parquet"), *run.glob("status/*.json")]:
        if path.stem not in METHODS:
            path.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.report.build.draw", lambda *_: None)  # seconds, and not of rollouts
        report(run, CONF, PAGE, claims(None))
        command(["light", str(run), str(out)])
        (out / "report.html").unlink()
        report(out, CONF, PAGE, claims(None))
    return run, out


@pytest.mark.parametrize("name", FRAMES)
def test_the_report_of_a_light_run_says_the_same(places: tuple[Path, Path], name: str) -> None:
    whole, copied = (read_frame(place / f"{name}.parquet", {}) for place in places)
    assert_frame_equal(*(frame.drop("missing", strict=False) for frame in (copied, whole)))
    assert len(copied)


def test_what_was_left_out_is_said(
    places: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = places
    assert not (out / "rollouts").exists()
    assert read_yaml(out / "run.yaml")["left_out"] == ["rollouts", "tokens", "matrices"]
    assert "of 2" not in (out / "report.html").read_text()[:4000]
    with pytest.raises(UserError, match="was handed on without its rollouts"):
        harness.load(out).rollouts()
    assert len(harness.load(run).rollouts().collect())


def test_a_light_run_is_not_gone_on_with(places: tuple[Path, Path], tmp_path: Path) -> None:
    run, out = places
    refused = r"was handed on without rollouts, tokens, matrices, .*choose another run=NAME"
    with pytest.raises(UserError, match=refused):
        check(out, identity(out) or {})
    with pytest.raises(UserError, match=refused):
        validation([str(out)])
    with pytest.raises(UserError, match=refused):
        command(["light", str(out), str(tmp_path / "again")])
    with pytest.raises(UserError, match="is there already"):
        command(["light", str(run), str(out)])
