"""A replica by the command line: drawn by a real server, refused where nothing can come of it."""

from pathlib import Path

import polars as pl
import pytest

from harness import UserError, load
from harness.cli.checks import plan
from harness.cli.validation import validation
from harness.engines.stopping import Stops
from harness.interventions.validation.job import validate
from harness.models.model import Subject
from harness.run.job import job
from harness.store.files import write_yaml
from harness.store.reading import read_json, read_yaml
from harness.text.segmentation import offsets
from harness.validate import __main__ as command
from tests.harness.engines.server.service import Service
from tests.harness.line import harness_exit

pytestmark = pytest.mark.slow

COLUMNS = ["trace_id", "boundary", "draw", "seed", "token_ids", "answer"]


def recorded(folder: Path, arm: str) -> pl.DataFrame:
    found = pl.concat([pl.read_parquet(p) for p in sorted(folder.glob("rollouts/*/*.parquet"))])
    return found.filter(arm=arm).select(COLUMNS).sort(COLUMNS[:3])


def files(run: Path) -> set[Path]:
    return {path for path in run.rglob("*") if path.is_file()}


def test_an_engine_that_repeats_itself_is_one_line(
    alone: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before = files(alone / "r")
    line = ["validate", str(alone / "r"), "validate=[replica]", "engine=hf"]
    monkeypatch.setattr("sys.argv", line)
    with pytest.raises(SystemExit) as ended:
        command.main()
    out, err = capfd.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: validate.replica: engine=hf gives the same rollouts for the same")
    assert files(alone / "r") == before


def test_a_run_that_asks_for_a_replica_is_refused_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "made"
    line = ["+validate=[replica]", "engine=hf", f"results={made}", "method=[resampling_plain]"]
    assert harness_exit(monkeypatch, *line) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "validate.replica: engine=hf gives the same rollouts" in err
    assert not made.exists()


def test_a_server_that_follows_its_seeds_gives_the_same_again(
    tmp_path: Path, subject: Subject, questions: Path
) -> None:
    service = Service(subject, Stops(subject.tokenizer, subject.eos, offsets))
    served = [
        "model=local", f"model.path={subject.path}", "engine=server", f"engine.url={service.url}",
        "engine.slots=8",
    ]  # fmt: skip
    line = [
        "method=[resampling_plain]", "run=s", f"results={tmp_path}", "problems=jsonl",
        f"problems.path={questions}", "problems.limit=3", "problems.reference=5",
        "sampling.draws=4", "sampling.chunk=4", "sampling.max_tokens=60", "sampling.temperature=1",
        "sampling.top_p=1", "segmentation.min_chars=1", "report.dpi=40", "agreement.draws=20",
        *served,
    ]  # fmt: skip
    job(plan(line).jobs[0].run)
    run = tmp_path / "s"
    own = recorded(run, "resample")
    asked = len(service.bodies)
    settings = validation([str(run), "validate=[replica]", "validate.replica.share=1", *served])
    (outcome,) = validate(settings)
    assert not outcome.failed
    assert len(service.bodies) > asked
    assert recorded(run, "resample").equals(own)
    again = recorded(run / "validate/replica", "replica-resample")
    assert again.equals(own)  # seeds and tokens, of all traces
    first = [body["seed"] for body in service.bodies[asked:]]
    assert first != [body["seed"] for body in service.bodies[asked - len(first) : asked]]
    effects = load(run).effects
    found = {row[:2]: row[2] for row in effects.select("part", "measure", "value").iter_rows()}
    assert effects.row(0, named=True)["measure"] == "topk lost"
    for statistic in ("topk", "topdown", "spearman"):
        assert found["replica", f"{statistic} lost"] == pytest.approx(0)
    assert found["replica", "spearman"] == pytest.approx(1)
    assert found["resample", "same rollout"] == found["resample", "same answer"] == 1
    assert found["halves of the run", "topk"] < 1
    assert read_json(run / "validate/replica.json")["state"] == "done"

    # another engine than the run's compares engines, not batches
    kept = read_yaml(run / "run.yaml")
    write_yaml(run / "run.yaml", {**kept, "engine": {**kept["engine"], "seeds": False}})
    with pytest.raises(UserError, match=r"drawn with engine\.seeds=false, and here it is true"):
        validate(settings)
    write_yaml(run / "run.yaml", {key: value for key, value in kept.items() if key != "engine"})
    with pytest.raises(UserError, match=r"run\.yaml names no engine"):
        validate(settings)
    service.kill()
