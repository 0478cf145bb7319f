from pathlib import Path

import polars as pl
import pytest
import yaml

import conf
from harness.core import Detector, UserError
from harness.core.config import serving
from harness.report.build import strangers
from harness.store.files import write_json
from harness.store.score_files import declared, score_files, statuses
from tests.harness.synthetic import frame

CONF = Path(conf.__file__).parent


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with the scores and the status of one method."""
    (tmp_path / "scores").mkdir()
    cells = [{"trace_id": "t", "sentence": i, "score": float(i), "half_a": []} for i in range(3)]
    frame(cells, SCORES).write_parquet(tmp_path / "scores" / "mi.parquet")
    write_json(tmp_path / "status" / "mi.json", {"state": "done", "family": "x", "signed": False})
    return tmp_path


SCORES = {
    "trace_id": pl.String,
    "sentence": pl.Int64,
    "score": pl.Float32,
    "half_a": pl.List(pl.Int64),
    "half_b": pl.List(pl.Null),
}


def test_numbers_of_another_kind_will_do(run: Path):
    (found,) = score_files(run, statuses(run)).values()
    assert found.collect()["score"].to_list() == [0.0, 1.0, 2.0]
    assert found.collect_schema()["half_b"] == pl.List(pl.Float64)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (pl.col("score").cast(pl.String), "column score is String, not Float64"),
        (pl.col("half_a").list.len(), "column half_a is UInt32, not List"),
        (pl.col("trace_id").hash(), "column trace_id is UInt64, not String"),
    ],
)
def test_a_column_of_another_kind_is_named(run: Path, change: pl.Expr, said: str):
    path = run / "scores" / "mi.parquet"
    pl.read_parquet(path).with_columns(change).write_parquet(path)
    with pytest.raises(UserError, match=rf"mi\.parquet: {said}"):
        score_files(run, ["mi"])


def test_a_missing_column_is_named(run: Path):
    path = run / "scores" / "mi.parquet"
    pl.read_parquet(path).drop("half_b").write_parquet(path)
    with pytest.raises(UserError, match=r"mi\.parquet: has no column half_b"):
        score_files(run, ["mi"])


@pytest.mark.parametrize("content", [b"", b"no parquet" * 9])
def test_a_file_that_is_no_table_is_named(run: Path, content: bytes):
    (run / "scores" / "mi.parquet").write_bytes(content)
    with pytest.raises(UserError, match=r"mi\.parquet: cannot be read"):
        score_files(run, ["mi"])


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "is no JSON"), ("[1]", "is no JSON"), ('{"state": "done"}', "family")],
)
def test_a_broken_status_is_named(run: Path, text: str, said: str):
    (run / "status" / "mi.json").write_text(text)
    with pytest.raises(UserError, match=rf"mi\.json: .*{said}"):
        statuses(run)


@pytest.mark.parametrize(("name", "worded"), [("rl_entropy", True), ("rl_entropy_kl", False),
                                              ("mi", False)])  # fmt: skip
def test_a_status_says_whether_a_detector_is_made_of_wording(name: str, worded: bool):
    node = yaml.safe_load((CONF / "method" / f"{name}.yaml").read_text())[name]
    assert declared(serving(Detector, node, name), node)["worded"] is worded


def test_failed_methods_and_those_without_scores_are_not_compared(run: Path):
    write_json(run / "status" / "other.json", {"state": "done", "family": "x", "signed": False})
    assert list(statuses(run)) == ["mi"]
    write_json(run / "status" / "mi.json", {"state": "failed"})
    assert not statuses(run)


def test_scores_of_which_nothing_is_known_are_noted(run: Path):
    (run / "status" / "mi.json").unlink()
    (note,) = strangers(run, ["position"]).to_dicts()
    assert note["method"] == "mi"
    assert note["reason"] == "refused: no status/mi.json says what it is"
    assert note["count"] == 3
    assert strangers(run, ["mi"]).is_empty()
