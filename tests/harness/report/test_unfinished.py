"""A run that was interrupted says so: on its page, on the terminal, in methods.parquet."""

from pathlib import Path

import polars as pl
import yaml

from harness.claims import claims
from harness.report.build import report
from harness.report.summary import summary
from harness.report.unfinished import unfinished
from harness.store.files import write_json, write_yaml
from harness.store.reading import read_json
from harness.store.scores import ScoreFile
from tests.campaign.damage import CONF, PAGE, sealed_run


def test_a_half_finished_run_says_so(tmp_path: Path):
    run = sealed_run(tmp_path / "r", 1)
    assert unfinished(run) == []
    content = yaml.safe_load((run / "run.yaml").read_text())
    names = ("resampling", "mi", "embedding")
    content["method"] = {name: {"_target_": f"methods.{name}.X"} for name in names}
    write_yaml(run / "run.yaml", content)
    mi = read_json(run / "status" / "mi.json")
    write_json(run / "status" / "mi.json", mi | {"state": "partial", "rollouts": 11_300})
    scores = pl.read_parquet(run / "scores" / "mi.parquet")
    first = scores.filter(pl.col("trace_id") == scores["trace_id"][0])
    first.write_parquet(run / "scores" / "mi.parquet")
    n = len(pl.concat([pl.read_parquet(path) for path in run.glob("rollouts/*/*.parquet")]))
    told = f"{n:,} of 11,300 rollouts; mi scored on 1 of 2 traces; embedding not scored"
    assert "; ".join(unfinished(run)) == told
    page = report(run, CONF, PAGE, claims(None)).read_text(encoding="utf-8")
    assert f"Unfinished run: {told}. What is below" in page
    assert f"Unfinished: {told}." in str(summary(run).caption)
    methods = dict(pl.read_parquet(run / "methods.parquet").select("method", "status").iter_rows())
    assert methods["mi"] == "partial"
    assert methods["resampling"] == "done"
    assert methods["position"] is None


def test_a_method_at_work_says_how_many_rollouts_there_will_be(tmp_path: Path):
    score_file = ScoreFile(tmp_path, "mi", "hash", {}, {"family": "information"})
    score_file.begin(12)
    assert read_json(tmp_path / "status" / "mi.json")["rollouts"] == 12
    score_file.write("done")
    status = read_json(tmp_path / "status" / "mi.json")
    assert status["state"] == "done"
    assert status["kept"]["rollouts"] == 0
    assert "rollouts" not in status
