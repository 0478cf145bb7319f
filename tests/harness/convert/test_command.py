"""The command teaches, and exports what a run holds."""

import shutil
import sys
from pathlib import Path

import polars as pl
import pytest

from harness import UserError
from harness.convert import __main__ as convert
from tests.harness.convert.tree import CHUNKS, IMPACTS, KL, write_tree


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
    monkeypatch.setattr("sys.argv", ["convert", "--help"])
    convert.main()
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
        (
            "export a b format=xls",
            "format: must be 'csv', 'jsonl', 'parquet' or 'arrow', got \"xls\"",
        ),
        ("export a b sheet=1", "export: no such option sheet"),
        ("export a b", "a: is no run folder"),
        ("push a me/run", "a: is no run folder"),
        ("push a run", "run: is no name of a dataset on the hub; write OWNER/NAME"),
        ("push a me/run private=no", "private: must be true or false, got no"),
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


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    run, tree = folder / "run", write_tree(folder / "tree", ("one",))
    convert.command(
        ["thought_anchors", str(tree), str(run), "text_detectors=false", "undefined=nan"]
    )
    return run


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


READERS = {
    "csv": pl.read_csv,
    "jsonl": pl.read_ndjson,
    "parquet": pl.read_parquet,
    "arrow": pl.read_ipc,
}


@pytest.mark.parametrize("form", READERS)
def test_an_export_holds_every_table(run: Path, form: str) -> None:
    out, read = run.parent / "out", READERS[form]
    convert.command(["export", str(run), str(out), f"format={form}"])
    names = {p.relative_to(out).with_suffix("").as_posix() for p in out.rglob("*") if p.is_file()}
    scored = {p.stem for p in run.glob("scores/*.parquet")}
    expected = {"problems", "sentences", "scores", "traces", "matrices/suppression"}
    assert names == expected | {f"scores/{name}" for name in scored}
    table = read(out / f"scores.{form}")
    assert len(table) == 16
    assert table["model"].unique().to_list() == ["one"]
    assert [text.strip() for text in table["text"][:4]] == CHUNKS
    assert table["counterfactual_kl"][:4].to_list() == [*KL[:2], None, KL[3]]
    traces = read(out / f"traces.{form}")
    assert len(traces) == 4
    assert ("token_ids" in traces.columns) == (form != "csv")
    cells = read(out / "matrices" / f"suppression.{form}").drop_nulls("value")
    one = cells.filter(pl.col("trace_id") == cells["trace_id"][0])
    assert set(one.select("source", "target", "value").rows()) == set(IMPACTS)
    with pytest.raises(UserError, match="is there already"):
        convert.command(["export", str(run), str(out)])
    link = run / "scores" / "other.parquet"
    link.symlink_to(run / "traces.parquet")
    with pytest.raises(UserError, match=r"other\.parquet: is a link"):
        convert.command(["export", str(run), str(out.with_name("more"))])
