"""What README.md shows is what runs: its example, its commands, its tables."""

import itertools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

import harness
from harness.cli.settings import settings
from harness.core.docstrings import written

ROOT = Path(harness.__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
FILES = {
    found[1]: body
    for kind, body in BLOCKS
    if kind in ("python", "yaml") and (found := re.match(r"# (\S+)\n", body))
}
LINES = [line for kind, body in BLOCKS if kind == "bash" for line in body.splitlines()]
LATER = {"`skipped.json`", "`dynamics.parquet`", "`schedules.parquet`"}
COMMANDS = [line for line in LINES if re.search(r"python -m harness\s", line)]


def rows(heading: str) -> list[list[str]]:
    """The table below a line that begins with its header, as cells."""
    table = README[README.index(heading) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def called(command: str) -> tuple[list[str], dict[str, str]]:
    """A command line as arguments and the environment set before them."""
    words = shlex.split(command, comments=True)
    start = words.index("python")
    return words[start:], dict(word.split("=", 1) for word in words[:start])


def ran(command: str, folder: Path, *more: str) -> str:
    words, variables = called(command)
    done = subprocess.run(
        [sys.executable, *words[1:], *more],
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the example's two files and nothing else."""
    folder = tmp_path_factory.mktemp("user")
    assert list(FILES) == ["my/uncertain.py", "my/method/uncertain.yaml"]
    for name, body in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(body)
    return folder


@pytest.fixture(scope="module")
def run(folder: Path, tiny: Path, questions: Path) -> Path:
    """The example's own command, on a tiny model."""
    command = next(line for line in COMMANDS if "uncertain" in line)
    model = [f"model.path={tiny}", "problems=jsonl", f"problems.path={questions}", "run=example"]
    ran(
        command,
        folder,
        *model,
        "sampling.max_tokens=60",
        "problems.limit=4",
        "report.dpi=50",
        "agreement.draws=20",
    )
    return folder / "results" / "example"


@pytest.mark.slow
def test_the_example_is_two_files_and_scores_every_sentence(run: Path):
    scores = pl.read_parquet(run / "scores" / "uncertain.parquet")
    sentences = pl.read_parquet(run / "sentences.parquet")
    cells = ["trace_id", "sentence"]
    assert sorted(scores.select(cells).rows()) == sorted(sentences.select(cells).rows())
    values = scores["score"].to_numpy()
    assert ((values >= 0) & (values <= 1)).all()
    assert {"uncertain", "mi"} <= set(pl.read_parquet(run / "agreement.parquet")["a"])


@pytest.mark.slow
def test_the_example_counts_what_it_says(run: Path):
    tokens = pl.concat(map(pl.read_parquet, (run / "tokens").glob("*.parquet")))
    spans = pl.read_parquet(run / "sentences.parquet")
    for row in spans.iter_rows(named=True):
        own = tokens.filter(pl.col("trace_id") == row["trace_id"]).sort("token")["entropy"]
        share = np.mean(own.to_numpy()[row["start"] : row["stop"]] > 0.672)
        scores = pl.read_parquet(run / "scores" / "uncertain.parquet")
        here = (pl.col("trace_id") == row["trace_id"]) & (pl.col("sentence") == row["sentence"])
        assert scores.filter(here)["score"].item() == pytest.approx(share)


@pytest.mark.slow
def test_a_run_leaves_the_files_of_the_table(run: Path):
    for cell, _ in rows("| File |"):
        if cell in LATER or "validate/" in cell:
            continue  # only where problems were skipped, or another command was called
        pattern = re.sub(r"<\w+>", "*", cell.strip("`"))
        assert list(run.glob(pattern)), cell


@pytest.mark.slow
def test_the_columns_of_the_table_are_those_of_the_files(run: Path):
    for cell, holds in rows("| File |"):
        pattern = re.sub(r"<\w+>", "*", cell.strip("`"))
        other = pattern == "agreement_by_problem.parquet" or f"`{pattern}`" in LATER
        if pattern.endswith(".parquet") and not other and "validate/" not in pattern:
            there = set(pl.read_parquet_schema(next(run.glob(pattern))))
            words = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", holds))))
            assert words <= there, (cell, words - there)


@pytest.mark.slow
def test_the_list_of_detectors_has_the_example(folder: Path):
    command = next(line for line in LINES if "harness.methods --config-dir" in line)
    line = next(x for x in ran(command, folder).splitlines() if x.startswith("uncertain "))
    assert "rl" in line.split()
    assert "a pass over the trace (entropy)" in line
    assert "Wang et al." in line


def jobs(words: list[str]) -> list[list[str]]:
    """The overrides of each job of a command line, a sweep's comma lists taken apart."""
    overrides = [word for word in words if "=" in word]
    if "--multirun" not in words:
        return [overrides]
    split = [
        [o] if "[" in o else [f"{o.partition('=')[0]}={v}" for v in o.partition("=")[2].split(",")]
        for o in overrides
    ]
    return [list(job) for job in itertools.product(*split)]


@pytest.mark.parametrize("command", [line for line in COMMANDS if "uncertain" not in line])
def test_every_command_composes(command: str):
    words, _ = called(command)
    assert words[1:3] == ["-m", "harness"]
    for overrides in jobs(words[3:]):
        with initialize_config_module("conf", version_base="1.3"):
            assert settings(compose("config", overrides)).run.detectors


def test_the_options_are_there_and_have_these_defaults():
    with initialize_config_module("conf", version_base="1.3"):
        config = compose("config", ["model=qwen-7b"])
    values = OmegaConf.to_container(config)
    for key, default, _ in rows("| Option |"):
        node = values
        for part in key.strip("`").split("."):
            node = node[part]
        assert written(node).strip("'") == default.strip("`"), key


def test_the_targets_that_readme_names_are_in_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    named = {word for line in LINES for word in re.findall(r"^make (\w+)", line)}
    assert named == {"demo", "test"}
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_detectors_of_the_sources_exist():
    names = {path.stem for path in (ROOT / "conf" / "method").glob("*.yaml")}
    sources = README[README.index("## Sources") :]
    named = re.findall(r"`(\w+)`", " ".join(re.findall(r"^- (.*?): ", sources, re.MULTILINE)))
    assert named
    assert set(named) <= names
