"""The command teaches, and exports what a run holds."""

import sys
from pathlib import Path

import polars as pl
import pytest

from harness import UserError
from harness.convert import __main__ as convert
from tests.harness.convert.tree import CHUNKS, KL, write_tree


def called(monkeypatch: pytest.MonkeyPatch, *line: str) -> int:
    monkeypatch.setattr(sys, "argv", ["convert", *line])
    with pytest.raises(SystemExit) as ended:
        convert.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_without_arguments_it_teaches(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert called(monkeypatch) == 2
    assert capsys.readouterr().err == convert.USAGE + "\n"
    assert called(monkeypatch, "--help") == 0
    assert capsys.readouterr().out == convert.USAGE + "\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nix", "nix: cannot be converted; there are thought_anchors, "),
        ("thought_anchors a", "thought_anchors: takes 2 paths, got 1"),
        ("thought_anchors a b undefined=one", "undefined: must be 'zero' or 'nan', got \"one\""),
        ("thought_anchors a b text_detectors=no", "text_detectors: must be true or false, got no"),
        ("thought_anchors a b undefnied=nan", "undefnied: no such key; there are "),
        ("thought_anchors a b", "a: is no folder"),
        ("export a b format=xls", "format: must be 'csv' or 'jsonl', got \"xls\""),
        ("export a b sheet=1", "export: no such option sheet"),
        ("export a b", "a: is no run folder"),
        ("published a", "a: has no agreement.parquet"),
        ("labels a", "a: is no run folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    line: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert called(monkeypatch, *line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert not any(tmp_path.iterdir())


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run, tree = tmp_path / "run", write_tree(tmp_path / "tree", ("one",))
    convert.command(
        ["thought_anchors", str(tree), str(run), "text_detectors=false", "undefined=nan"]
    )
    return run


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_an_export_holds_every_score(run: Path, form: str) -> None:
    out = run.parent / "out"
    convert.command(["export", str(run), str(out), f"format={form}"])
    read = pl.read_csv if form == "csv" else pl.read_ndjson
    assert sorted(p.name for p in out.iterdir()) == [f"scores.{form}", f"traces.{form}"]
    table = read(out / f"scores.{form}")
    assert len(table) == 16
    assert table["model"].unique().to_list() == ["one"]
    assert [text.strip() for text in table["text"][:4]] == CHUNKS
    assert table["counterfactual_kl"][:4].to_list() == [*KL[:2], None, KL[3]]
    traces = read(out / f"traces.{form}")
    assert len(traces) == 4
    assert ("token_ids" in traces.columns) == (form == "jsonl")
    with pytest.raises(UserError, match="is there already"):
        convert.command(["export", str(run), str(out)])
