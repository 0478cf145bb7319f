"""What docs/adding.md shows is what runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import harness
from harness import __main__
from harness.store.reading import read_json

PAGE = Path(harness.__file__).parents[1] / "docs" / "adding.md"
EXAMPLES = ("rl_sentence", "asked_early", "look_ahead")
FILES = dict(re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", PAGE.read_text(), re.M | re.S))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    for name, body in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(body)
    return folder


def told(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", *arguments, "--config-dir", "my"]
    return subprocess.run(
        command,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": "my", "PATH": ""},
        capture_output=True,
        text=True,
    )


def test_the_page_has_its_files():
    assert set(FILES) == {
        "my/model/mine.yaml",
        "my/problems/olympiad.yaml",
        "my/problems/sums.yaml",
        "my/sums.py",
        *(f"my/{name}.py" for name in EXAMPLES),
        *(f"my/method/{name}.yaml" for name in EXAMPLES),
    }


@pytest.mark.parametrize("choice", ["model=mine", "problems=olympiad", "problems=sums"])
def test_each_yaml_composes_and_is_checked(
    folder: Path, choice: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend("my")
    monkeypatch.setattr(sys, "argv", ["harness", choice, "--cfg", "job", "--config-dir", "my"])
    __main__.main()
    group, name = choice.split("=")
    assert f"name: {name}" in capfd.readouterr().out
    monkeypatch.setattr(sys, "argv", ["harness", choice, f"{group}.nmae=x", "--config-dir", "my"])
    with pytest.raises(SystemExit) as ended:
        __main__.main()
    told = capfd.readouterr().err
    assert (ended.value.code, told.count("\n")) == (2, 1), told
    assert f"{group}.nmae: no such key" in told


@pytest.mark.slow
def test_the_problem_set_runs(folder: Path, tiny: Path):
    choices = [
        "problems=sums",
        "problems.limit=2",
        "problems.reference=5",
        "method=semantic_entropy",
    ]
    model = ["model=local", f"model.path={tiny}", "sampling.draws=4", "sampling.max_tokens=40"]
    done = told(folder, *choices, *model, "run=sums", "report.dpi=50", "agreement.draws=20")
    assert done.returncode == 0, done.stderr
    assert (folder / "results" / "sums" / "report.html").exists()


@pytest.mark.slow
def test_the_detectors_of_conditions_run(folder: Path):
    choices = [f"method=[{','.join(EXAMPLES)}]", "problems.limit=2", "problems.reference=5"]
    done = told(folder, *choices, "sampling.draws=6", "run=changed", "report.dpi=50")
    assert done.returncode == 0, done.stderr
    run = folder / "results" / "changed"
    for name in EXAMPLES:
        scores = pl.read_parquet(run / "scores" / f"{name}.parquet")["score"]
        assert scores.is_not_nan().mean() > 0.5, name
        assert scores.fill_nan(0.0).abs().max() > 0, name
    every = [read_json(path) for path in run.glob("rollouts/*/arms.json")]
    arms = next(each for each in every if "rl_first" in each)
    assert arms["rl_first"]["checkpoint"] == "rl"
    assert (arms["rl_behind"]["of"], arms["rl_behind"]["checkpoint"]) == ("rl_first", "")
