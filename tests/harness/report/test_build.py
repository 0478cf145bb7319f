"""The report of runs whose files hold mistakes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

import harness
from harness.claims import claims
from harness.core import UserError
from harness.report.build import report
from harness.report.settings import Report, configured
from harness.store.files import write_json
from harness.store.reading import read_json
from tests.harness.comparing import load
from tests.harness.synthetic import write_run

CONF = replace(load(), statistics=("spearman",), controls=("none", "all"), draws=20, flips=20)
PAGE = Report(trace=None, dpi=50, example_traces=1, tracker=None)
SCORE = pl.col("score")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = write_run(tmp_path / "run", n_problems=3)
    for path in (folder / "status").glob("*.json"):
        write_json(path, read_json(path) | {"family": "x", "signed": False})
    return folder


def rewrite(run: Path, method: str, score: pl.Expr = SCORE, *more: pl.DataFrame) -> None:
    """Change the scores of a method and add rows."""
    path = run / "scores" / f"{method}.parquet"
    frame = pl.read_parquet(path).with_columns(score=score)
    pl.concat([frame, *(rows.select(frame.columns) for rows in more)]).write_parquet(path)


def test_mistakes_of_all_kinds_are_named_with_counts_and_harm_nobody_else(run: Path, capsys):
    here = pl.col("sentence") == 2
    some = pl.read_parquet(run / "scores" / "resampling.parquet").head(2)
    strange = some.with_columns(trace_id=pl.lit("nowhere"))
    beyond = some.head(1).with_columns(sentence=pl.lit(999, pl.Int32))
    rewrite(run, "resampling", SCORE, strange, beyond, some)
    rewrite(run, "attention", pl.when(here).then(-np.inf).otherwise(SCORE))
    rewrite(run, "mi", pl.when(here).then(SCORE))
    rewrite(run, "suppression", pl.when(~here).then(pl.lit(3.0)))
    rewrite(run, "rl_entropy", pl.lit(None, pl.Float64))
    some.write_parquet(run / "scores" / "stranger.parquet")
    page = report(run, CONF, PAGE, claims(None)).read_text()
    traces = pl.read_parquet(run / "traces.parquet")
    told = {
        "resampling": {
            "refused: its trace is not in the run": 2,
            "refused: its sentence is not in the run": 1,
            "refused: given twice": 4,
        },
        "attention": {"refused: infinite": len(traces)},
        "suppression": {"constant in a trace, left out": len(traces)},
        "rl_entropy": {"defined nowhere": int(traces["n_sentences"].sum())},
        "stranger": {"refused: no status/stranger.json says what it is": 2},
    }
    notes = pl.read_parquet(run / "notes.parquet")
    for method, reasons in told.items():
        found = notes.filter(pl.col("method") == method, pl.col("other").is_null())
        assert dict(found.select("reason", "count").iter_rows()) == reasons
    apart = notes.filter(reason="no sentence in common").select("method", "other").rows()
    assert {frozenset(pair) for pair in apart} >= {frozenset(("mi", "suppression"))}
    unchecked, *refused = capsys.readouterr().err.splitlines()
    assert unchecked.startswith("unchecked: 18 files without a digest or id (agreement.parquet")
    assert len(refused) == 5
    assert all(line.startswith("left out: scores of ") for line in refused)
    assert "no status/stranger.json says what it is (2)" in page
    rows = pl.read_parquet(run / "agreement.parquet").filter(a="attention", b="resampling")
    assert rows["value"].null_count() == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "is no YAML"),
        ("- a", "holds no keys and values"),
        ("agreement: {}", "has no report"),
    ],
)
def test_settings_that_are_not_there_are_named(tmp_path: Path, text: str, said: str):
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(UserError, match=rf"run\.yaml: {said}"):
        configured(tmp_path, [])


def test_a_run_of_another_version_is_reported_with_todays_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = Path(harness.__file__).parents[1] / "conf"
    today = {
        group: yaml.safe_load((conf / group / "default.yaml").read_text())
        for group in ("agreement", "report")
    }
    kept = {**today, "agreement": {"controls": ["none", "lexicon"], "judged": "all"}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(kept))
    agreement, report, _ = configured(tmp_path, ["agreement.seed=7"])
    assert (agreement.seed, agreement.confidence) == (7, today["agreement"]["confidence"])
    assert report.dpi == today["report"]["dpi"]
    said = capsys.readouterr().err
    assert said.endswith("its agreement settings are of another version; today's are used\n")


def test_beyond_wording_nothing_is_said_of_a_method_that_says_it_is_made_of_it(run: Path):
    path = run / "status" / "mi.json"
    write_json(path, read_json(path) | {"worded": True})
    report(run, CONF, PAGE, claims(None))
    rows = pl.read_parquet(run / "agreement.parquet").filter(control="all")
    with_mi = (pl.col("a") == "mi") | (pl.col("b") == "mi")
    assert set(rows.filter(with_mi)["verdict"]) == {"the control is the method"}
    others = rows.filter(~with_mi & pl.col("a").is_in(["attention", "suppression"]))
    beside = others.filter(pl.col("b").is_in(["attention", "suppression"]))
    assert set(beside["verdict"]) == {"too few problems"}
