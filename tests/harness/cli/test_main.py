"""The command itself: exit codes, streams, and what is left on disk."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from harness.store.reading import read_json
from tests.harness import forked
from tests.harness.line import harness_exit
from tests.harness.store.test_files import full_disk

pytestmark = pytest.mark.slow

Line = Callable[..., int]
LAST = "interrupted; the same command, without overwrite, goes on\n"


@pytest.fixture
def base(tiny: Path, questions: Path) -> list[str]:
    path = f"problems.path={questions}"
    small = ["sampling.max_tokens=60", "sampling.draws=4", "problems.limit=2"]
    small += ["report.dpi=50", "agreement.draws=20"]
    return [f"model.path={tiny}", "problems=jsonl", path, "problems.reference=3", *small]


@pytest.fixture
def harness(base: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    """`python -m harness` in this process, from an empty folder."""
    monkeypatch.chdir(tmp_path)
    return partial(harness_exit, monkeypatch, *base)


def test_a_mistake_is_one_line_and_exit_code_2(
    harness: Line, capfd: pytest.CaptureFixture[str]
) -> None:
    for more in (["method=nix"], ["sampling.draws=many"], ["+typo=1", "-m"], ["--nix"]):
        assert harness(*more) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith("error: ")
        assert err.count("\n") == 1
        assert os.listdir() == []


def test_overwriting_moves_a_run_aside_once_however_many_jobs(harness: Line) -> None:
    more = ["--multirun", "method=forced_answer,mi", "run=a", "overwrite=true"]
    assert harness(*more) == 0
    assert os.listdir("results") == ["a"]
    assert harness(*more) == 0
    aside = [name for name in os.listdir("results") if name.startswith("a.")]
    assert len(aside) == 1
    for folder in ("a", *aside):
        states = [read_json(f)["state"] for f in Path("results", folder, "status").iterdir()]
        assert states == ["done", "done"]
    assert os.listdir() == ["results"]


def test_a_full_disk_ends_a_run_in_one_line_and_the_run_goes_on_later(
    harness: Line, capfd: pytest.CaptureFixture[str]
) -> None:
    with full_disk(3000):
        assert harness("method=forced_answer", "run=a") == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("error: forced_answer: cannot write results/a/")
    assert err.count("\n") == 1
    kept = [p for p in Path("results").rglob("*") if p.is_file() and p.suffix != ".lease"]
    assert all(not p.name.startswith(".") for p in kept)
    assert harness("method=forced_answer", "run=a") == 0


def test_what_is_shown_is_readable(harness: Line, capfd: pytest.CaptureFixture[str]) -> None:
    for more, words in [
        (["--help"], ["python -m harness +experiment=demo", "--multirun", "model: llama-8b"]),
        (["-h"], ["method: attention, "]),
        (["--cfg", "job"], ["max_tokens: 60", "resampling:"]),
        (["--info", "defaults"], ["Defaults List", "organism"]),
        (["--version"], ["anchor-harness "]),
    ]:
        assert harness(*more) == 0
        out, err = capfd.readouterr()
        assert err == ""
        assert all(word in out for word in words)
        assert os.listdir() == []


def outside(command: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_foreign_packages_in_the_working_directory_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "__init__.py").write_text("1 / 0")
    done = outside([sys.executable, "-m", "harness", "method=nix"], tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: method=nix: no such method; there are ")
    assert done.stderr.count("\n") == 1


def test_words_are_completed_in_the_shell(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("harness")
    if not script.exists():
        pytest.skip("the console script is not installed")
    install = outside([str(script), "-sc", "install=bash"], tmp_path)
    assert "complete -o nospace -o default -F hydra_bash_completion harness" in install.stdout
    for typed, there in [
        ("harness model=qwen-", "model=qwen-7b"),
        ("harness method=mi sampling.dr", "sampling.draws="),
    ]:
        at = {"COMP_LINE": typed, "COMP_POINT": str(len(typed))}
        found = outside([str(script), "-sc", "query=bash"], tmp_path, **at)
        assert there in found.stdout.split()


LATE = """
import sys
from harness.__main__ import main

MODELS = {"torch", "transformers", "sentence_transformers"}
SLOW = MODELS | {"matplotlib", "reasoning_gym"}

def check(heavy):
    assert not heavy & set(sys.modules), (sys.argv, heavy & set(sys.modules))

for more, heavy in [("--cfg=job", {"scipy.stats"}), ("method=nix", {"datasets"}),
                    ("sampling.draws=0", set())]:
    sys.argv = ["harness", more]
    try:
        main()
    except SystemExit:
        pass
    check(SLOW | heavy)
import harness.report.build, harness.report.summary, harness.report.plots.figures
check(MODELS)
"""


def test_slow_imports_wait_for_who_needs_them(tmp_path: Path) -> None:
    """Help and a mistake do without models and plots, the report without models."""
    done = outside([sys.executable, "-c", LATE], tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("at", ["numpy", "hydra", "harness.cli.hydra", "torch"])
def test_an_interrupt_while_it_starts_is_one_line(base: list[str], tmp_path: Path, at: str) -> None:
    code = (
        "import runpy, sys\n"
        "class Stop:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {at!r}: raise KeyboardInterrupt\n"
        f"sys.meta_path.insert(0, Stop()); sys.argv[1:] = {[*base, 'method=mi']!r}\n"
        "runpy.run_module('harness', run_name='__main__')"
    )
    done = outside([sys.executable, "-c", code], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", LAST)
    assert os.listdir(tmp_path) == []


def test_damaged_weights_are_told_before_anything_is_written(
    harness: Line, tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path.parent / f"{tmp_path.name}-model"
    shutil.copytree(tiny, copy)
    weights = load_file(copy / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    assert harness(f"model.path={copy}", "method=mi") == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert re.fullmatch(r"error: mi: model.path: .* lacks weights of the model, such as .*\n", err)
    assert os.listdir() == []


def test_an_interrupt_is_one_line_and_the_run_goes_on(
    base: list[str], harness: Line, tmp_path: Path
) -> None:
    command = ["method=forced_answer", "run=a"]
    running = forked.harness([*base, *command, "sampling.draws=2000"], tmp_path)
    traces = tmp_path / "results" / "a" / "traces.parquet"
    while not traces.exists() and running.is_alive():
        time.sleep(0.05)
    before = traces.read_bytes()
    os.kill(running.pid, signal.SIGINT)
    running.join(30)
    assert running.exitcode == 130
    assert forked.err(tmp_path).read_text() == LAST
    assert harness(*command) == 0
    assert traces.read_bytes() == before
    assert (tmp_path / "results" / "a" / "report.html").exists()


def test_a_detector_that_fails_leaves_the_others_reported_and_exit_code_1(
    harness: Line, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "more" / "method").mkdir(parents=True)
    for name in ("Late", "Typo"):
        yaml = tmp_path / "more" / "method" / f"{name.lower()}.yaml"
        node = f"  _target_: tests.harness.run.detecting.test_faults.{name}\n"
        node += "  family: test\n  signed: false\n"
        yaml.write_text(f"{name.lower()}:\n{node}")
    more = ["--config-dir", "more", "run=a"]
    assert harness("method=[typo,mi]", *more) == 2
    assert "method.typo: fails on a sample trace with AttributeError" in capfd.readouterr().err
    assert not Path("results").exists()
    assert harness("method=[late,mi]", *more) == 1
    assert "error: late: ZeroDivisionError: division by zero" in capfd.readouterr().err
    states = {f.stem: read_json(f)["state"] for f in Path("results/a/status").iterdir()}
    assert states == {"late": "failed", "mi": "done"}
    assert Path("results/a/report.html").exists()
    assert harness("method=late", *more) == 1


@pytest.mark.parametrize("sweep", [[], ["--multirun"]])
def test_a_run_without_any_trace_leaves_no_folder(
    harness: Line, capfd: pytest.CaptureFixture[str], sweep: list[str]
) -> None:
    more = ["sampling.screen.draws=2", "sampling.screen.low=1", "sampling.screen.high=1"]
    assert harness("method=mi", "run=a", *more, *sweep) == 2
    err = capfd.readouterr().err
    assert "error: mi: no problem yields a trace (q0: screened out: " in err
    assert not list(Path().glob("results/*"))


def test_fewer_draws_than_are_recorded_are_said(
    harness: Line, capfd: pytest.CaptureFixture[str]
) -> None:
    assert harness("method=forced_answer", "run=a") == 0
    capfd.readouterr()
    assert harness("method=forced_answer", "run=a", "sampling.draws=2") == 0
    said = "sampling.draws: 2 rollouts of arm forced are asked for and 4 are recorded"
    assert said in capfd.readouterr().err


def test_who_has_read_enough_gets_no_traceback() -> None:
    code = "from harness.cli.exits import ended; ended(lambda: print('word ' * 10**6))"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        assert run.stdout.read(1) == b"w"
        run.stdout.close()
        assert run.stderr.read() == b""
    assert run.returncode == 141


def test_a_closed_output_is_no_traceback() -> None:
    code = "from harness.cli.exits import ended; ended(lambda: print('word'))"
    done = subprocess.run(["sh", "-c", '"$0" -c "$1" >&-', sys.executable, code], check=False)
    assert done.returncode == 0
