from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from harness.claims import Part, claims_frame
from harness.compare.__main__ import command
from harness.core import UserError
from harness.report.sides.board import board, otherwise, table, written
from harness.store.files import write_frame, write_yaml
from harness.store.load import Run
from harness.store.traces import trace_frame
from tests.harness.claims.made import claim, frames
from tests.harness.claims.test_table import NO, YES
from tests.harness.report.page.test_document import Document

LACKS = Part("", missing="add method=[x]")


def made(folder: Path, name: str, model: str, **claims: Part) -> Run:
    """A run of one claim a keyword, as far as the board reads it."""
    given = {key: claim(part) for key, part in claims.items()}
    write_yaml(folder / name / "run.yaml", {"run": name})
    traces = pl.DataFrame({"model": [model]}, schema=["model"])
    whole = trace_frame([]).clear().select(pl.all().exclude("model"))
    write_frame(folder / name / "traces.parquet", pl.concat([whole, traces], how="diagonal"))
    write_frame(folder / name / "claims.parquet", claims_frame(given, frames({})))
    return Run(folder / name)


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    return [
        made(tmp_path, "one", "small", idle=LACKS, first=YES, second=NO),
        made(tmp_path, "two", "large", idle=LACKS, first=NO, second=YES),
        made(tmp_path, "<b>three", "<i>", first=LACKS),
    ]


def test_each_claim_has_a_row_a_run_and_those_that_nobody_tested_come_last(runs: list[Run]):
    found = board(runs)
    said = {(row["claim"], row["run"]): row["verdict"] for row in found.to_dicts()}
    assert said == {
        ("first", "one"): "supported",
        ("first", "two"): "contradicted",
        ("first", "<b>three"): "not tested",
        ("second", "one"): "contradicted",
        ("second", "two"): "supported",
        ("idle", "one"): "not tested",
        ("idle", "two"): "not tested",
    }
    assert found["claim"].unique(maintain_order=True).to_list() == ["first", "second", "idle"]
    row = found.row(0, named=True)
    assert (row["model"], row["effect"], row["low"], row["n_problems"]) == ("small", 0.7, 0.55, 20)


def test_the_page_shows_every_run_and_its_text_is_no_markup(runs: list[Run], tmp_path: Path):
    page = written(board(runs), ["first"], tmp_path / "out")
    html = page.read_text(encoding="utf-8")
    assert "script" not in {tag for tag, _ in Document(html).elements}
    assert "<b>three" not in html
    assert "&lt;b&gt;three" in html
    assert "1 supported, 1 contradicted, 1 not tested" in html
    assert html.count("It is so.*") == 1
    assert pl.read_csv(page.with_suffix(".csv"))["run"].n_unique() == 3
    console = Console(width=100, record=True)
    console.print(table(board(runs)))
    shown = console.export_text()
    assert ".70 [.55, .80]" in shown
    assert "<b>three" in shown


def test_other_thresholds_are_named(runs: list[Run]):
    assert otherwise(runs) == []
    path = runs[1].path / "claims.parquet"
    write_frame(path, pl.read_parquet(path).with_columns(pl.col("supported_from") + 0.1))
    assert otherwise(runs) == ["first", "second"]


def test_what_cannot_be_shown_is_one_line(runs: list[Run], tmp_path: Path):
    with pytest.raises(UserError, match="several runs have this name and model"):
        board([runs[0], runs[0]])
    (runs[1].path / "claims.parquet").unlink()
    with pytest.raises(UserError, match=r"two: has no claims\.parquet; python -m harness\.report"):
        command([*(str(run.path) for run in runs)])
    with pytest.raises(UserError, match=r"hf://a/b: lies on the hub; say where pages belong"):
        command([str(runs[0].path), "hf://a/b"])
    with pytest.raises(UserError, match="uot=x: is neither a run nor out=FOLDER"):
        command([*(str(run.path) for run in runs), "uot=x"])


def test_the_command_takes_any_number_of_runs(runs: list[Run], tmp_path: Path, capsys):
    command([*(str(run.path) for run in runs), f"out={tmp_path / 'out'}"])
    assert (tmp_path / "out" / "claims-compared.html").is_file()
    assert "supported" in capsys.readouterr().err
