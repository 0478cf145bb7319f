"""Validations of a run end to end: what they leave, where, and after what went wrong."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest

from harness import Draw, UserError, load
from harness.cli.validation import validation
from harness.interventions.validation.effects import by_problem, mean, summary_frame
from harness.interventions.validation.job import validate
from harness.interventions.validation.results import Results
from harness.store import validations
from harness.store.files import write_yaml
from harness.store.reading import read_yaml

pytestmark = pytest.mark.slow

STEERING = (
    "validate.steering.min_problems=1", "validate.steering.draws=6", "validate.steering.check=2",
    "validate.steering.scales=[1.0,4.0]", "validate.steering.depths=[0.0,1.0]",
    "validate.steering.randoms=1",
)  # fmt: skip


@pytest.fixture
def run(alone: Path, tmp_path: Path) -> Path:
    """A copy of the run that tests share: three problems, detectors that draw, read and learn."""
    shutil.copytree(alone / "r", tmp_path / "r")
    return tmp_path / "r"


def files(run: Path) -> dict[str, bytes]:
    """What a run holds beside its validations."""
    own = (path for path in run.rglob("*") if path.is_file() and ".leases" not in path.parts)
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in own
        if path.relative_to(run).parts[0] != validations.FOLDER
    }


def recorded(run: Path) -> list[tuple[object, ...]]:
    """Every rollout below validate/."""
    columns = ["trace_id", "boundary", "arm", "draw", "token_ids"]
    paths = sorted(run.glob("validate/*/rollouts/*/*.parquet"))
    found = pl.concat([pl.read_parquet(path, columns=columns) for path in paths])
    return sorted(found.iter_rows(), key=lambda row: row[:4])


@dataclass(frozen=True)
class Continued:
    """P(correct) behind the first sentence; raises once at each trace in `fails`."""

    fails: tuple[str, ...]
    seen: set[str]

    def wants(self, trace, have):
        return [Draw(1, 4, until="answer", arm="behind")]

    def rows(self, trace, evidence):
        if trace.id in self.fails and trace.id not in self.seen:
            self.seen.add(trace.id)
            raise RuntimeError("the power went")
        right = evidence.rollouts["behind", 1].correct
        return pl.DataFrame(
            {"part": ["model"], "measure": ["P(correct)"], "value": [right.mean()], "n": [4]}
        )

    def summary(self, frame, conf):
        return summary_frame(
            [mean(by_problem(frame), conf, {"part": "model", "measure": "P(correct)"})]
        )


def test_all_that_ship_on_the_organism(run: Path):
    before = files(run)
    settings = validation(
        [str(run), "validate=[steering,stability]", "engine.slots=128", *STEERING]
    )
    outcomes = {outcome.name: outcome for outcome in validate(settings)}
    assert files(run) == before  # nothing of the run itself is touched
    assert not [outcome.reason for outcome in outcomes.values() if outcome.failed]
    opened = load(run)
    effects = opened.effects
    assert set(effects["validation"]) == {"steering", "stability"}
    methods = set(effects.filter(validation="stability")["method"])
    assert methods == {"resampling_plain", "attention", "mi"}
    both = opened.validation("stability").filter(method="mi", part="model")
    scores = opened.scores.filter(method="mi").select("trace_id", "sentence", "score")
    joined = both.join(scores, on=["trace_id", "sentence"]).drop_nulls(["value", "score"])
    assert len(joined) > 10
    assert (joined["value"] - joined["score"]).abs().max() < 1e-5  # as the run itself has them
    steered = opened.validation("steering")
    assert set(steered["part"]) >= {"model", "rl", "steered", "bias alone", "random 1"}
    share = steered.filter(measure="effective share", part="model")["value"]
    assert share.to_list() == pytest.approx([1.0] * len(share))
    drawn = recorded(run)
    assert len({row[:4] for row in drawn}) == len(drawn)
    again = validate(settings)  # nothing is left to do
    assert recorded(run) == drawn
    assert [outcome.name for outcome in again] == ["steering", "stability"]


def test_what_failed_goes_on_where_it_stopped(run: Path):
    plain = validation([str(run), "validate=[stability]", "engine.slots=128"])
    last = pl.read_parquet(run / "traces.parquet")["trace_id"].to_list()[-1]
    broken = Continued((last,), set())
    settings = replace(plain, interventions={"behind": broken}, nodes={"behind": {}})
    (first,) = validate(settings)
    assert first.failed
    assert not first.by_user
    assert "the power went" in first.reason
    status = validations.statuses(run)["behind"]
    assert (status["state"], status["by_user"]) == ("failed", False)
    kept = Results(run, "behind", status["basis"])
    assert len(list(kept.folder.glob("*.parquet"))) == 2
    assert not validations.summary_file(run, "behind").exists()
    drawn = recorded(run)
    (second,) = validate(settings)
    assert not second.failed
    assert recorded(run) == drawn
    assert len(load(run).validation("behind")) == 3
    assert validations.statuses(run)["behind"]["state"] == "done"


def test_what_a_user_gets_wrong_is_one_line(run: Path):
    before = files(run)
    for line, what in (
        ([str(run / "no")], "holds no traces.parquet"),
        ([], "which run"),
        ([str(run), "validate=[stabilty]"], "no such validate; did you mean stability"),
        ([str(run), "validate.stability.tpyo=1"], "tpyo"),
        ([str(run), "validate.stability.splits=x"], r"validate\.stability\.splits: Input|must"),
        ([str(run), "sampling.temperature=0.6"], r"made with sampling\.temperature=1\.0"),
        ([str(run), "model=qwen-0.5b"], r"was made with model\."),
    ):
        with pytest.raises(UserError, match=what):
            validation(line)
    layers = ["validate=[steering]", "validate.steering.layers=[9]"]
    with pytest.raises(UserError, match=r"^validate\.steering: layer 9: the model has blocks 0 to"):
        validate(validation([str(run), *layers]))
    with pytest.raises(UserError, match=r"^validate\.stability: needs model\.checkpoints\.none"):
        validate(
            validation([str(run), "validate=[stability]", "validate.stability.checkpoint=none"])
        )
    assert files(run) == before
    assert not (run / validations.FOLDER).exists()


def test_nothing_that_a_folder_names_is_imported(run: Path):
    kept = read_yaml(run / "run.yaml")
    for group, key, value in (
        ("problems", "_target_", "os.system"),
        ("segmentation", "function", "os.system"),
        ("sampling", "seed", "${oc.env:HOME}"),
    ):
        changed = {**kept, group: {**kept[group], key: value}}
        write_yaml(run / "run.yaml", changed)
        with pytest.raises(UserError, match=rf"its {group}\.{key} names code or a variable"):
            validation([str(run)])


def test_a_run_without_a_model_says_what_needs_one(run: Path):
    kept = read_yaml(run / "run.yaml")
    groups = ("segmentation", "calibration", "agreement", "report", "method")
    write_yaml(run / "run.yaml", {**{key: kept[key] for key in groups}, "identity": {}})
    outcomes = validate(validation([str(run)]))
    reasons = {outcome.name: outcome.reason for outcome in outcomes}
    lacking = "needs a model, and the run was imported without one"
    assert (reasons["steering"], reasons["stability"]) == (lacking, lacking)
    assert not [outcome.name for outcome in outcomes if outcome.failed]
    assert validations.statuses(run)["steering"]["error"] == lacking  # the page says so
    with pytest.raises(UserError, match=r"^validate\.steering: needs a model"):
        validate(validation([str(run), "validate=[steering]"]))
    of_rollouts = replace(
        validation([str(run)]), interventions={"seen": Seen()}, nodes={"seen": {}}
    )
    (found,) = validate(of_rollouts)
    assert found.summary is not None
    assert found.summary["n_problems"].item() == 3


@dataclass(frozen=True)
class Seen(Continued):
    """P(correct) of rollouts that the run has."""

    fails: tuple[str, ...] = ()
    seen: frozenset[str] = frozenset()

    def wants(self, trace, have):
        return [Draw(1, 8, arm="resample")]

    def rows(self, trace, evidence):
        right = evidence.rollouts["resample", 1].correct
        return pl.DataFrame({"part": ["model"], "value": [right.mean()], "n": [len(right)]})
