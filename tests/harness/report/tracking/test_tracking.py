"""A report in the trackers of experiments: what is kept, by which, and what is refused."""

import importlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imsave

from harness.core import UserError
from harness.core.config import build
from harness.report.settings import Report, configured
from harness.report.tracking import tracker as tracking
from harness.report.tracking.kept import Kept, kept
from harness.store import schema
from harness.store.files import rows, write_frame, write_yaml

NODE = {"trace": None, "dpi": 50, "example_traces": 1, "tracker": None}
CLAIMS = [
    {"claim": "two_phases", "part": "", "effect": 0.5, "low": 0.1, "verdict": "supported"},
    {"claim": "two_phases", "part": "first < last", "effect": 0.25, "low": np.nan},
    {"claim": "planting", "part": "", "text": "a | b", "verdict": "untested"},
]
METHODS = [{"method": "mi", "family": "x", "reliability": 0.75, "seconds": np.nan, "tokens": 7}]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    about = {"created": "2026-01-01", "identity": {"a": 1}, "model": {"name": "m", "n": 2}}
    write_frame(folder / "claims.parquet", rows(CLAIMS, schema.CLAIMS))
    write_frame(folder / "methods.parquet", rows(METHODS, schema.METHODS))
    write_yaml(folder / "run.yaml", about)
    (folder / "plots").mkdir()
    imsave(folder / "plots" / "agreement.png", np.zeros((4, 6, 3)))
    (folder / "report.html").write_text("<p>page")
    return folder


def of(run: Path) -> Kept:
    return kept(run, run / "report.html")


def test_what_is_kept_has_the_defined_numbers_by_place(run: Path):
    found = of(run)
    assert found.numbers == {
        "claims/two_phases/effect": 0.5,
        "claims/two_phases/low": 0.1,
        "claims/two_phases/first _ last/effect": 0.25,
        "methods/mi/reliability": 0.75,
        "methods/mi/tokens": 7.0,
    }
    assert found.verdicts == {
        "claims/two_phases/verdict": "supported",
        "claims/planting/verdict": "untested",
    }
    assert found.config["model.name"] == "m"
    assert [path.name for path in found.figures] == ["agreement.png"]


def test_a_run_is_the_same_elsewhere_and_another_in_its_place(run: Path, tmp_path: Path):
    before = of(run).id
    shutil.move(run, tmp_path / "moved")
    assert of(tmp_path / "moved").id == before
    write_yaml(tmp_path / "moved" / "run.yaml", {"created": "2026-01-02", "identity": {"a": 1}})
    assert of(tmp_path / "moved").id != before


def test_a_tracker_that_is_not_there_is_one_line_naming_the_extra(monkeypatch):
    monkeypatch.setattr(tracking, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^report.tracker: mlflow is not installed; pip install "):
        build(Report, NODE | {"tracker": "mlflow"}, "report")
    with pytest.raises(UserError, match=r"^report.tracker: "):
        build(Report, NODE | {"tracker": "nix"}, "report")


def test_a_folder_does_not_choose_a_tracker(run: Path):
    import harness

    conf = Path(harness.__file__).parents[1] / "conf" / "agreement" / "default.yaml"
    about = {"agreement": build_yaml(conf), "report": NODE | {"tracker": "wandb"}}
    write_yaml(run / "run.yaml", about)
    assert configured(run, [])[1].tracker is None


def build_yaml(path: Path) -> object:
    import yaml

    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_what_stops_a_tracker_is_said_with_what_is_made(run: Path, monkeypatch):
    def fails(kept: Kept) -> str:
        raise ConnectionError("no route")

    monkeypatch.setattr(tracking, "_keeping", lambda name: fails)
    with pytest.raises(
        UserError, match=r"^report.tracker: wandb: ConnectionError: no route .*made"
    ):
        tracking.track(run, run / "report.html", "wandb")


def keep(name: str, run: Path) -> str:
    pytest.importorskip(name, reason=f"{name} is not installed: its tracker was not tried")
    return importlib.import_module(f"harness.report.tracking.{name}").keep(of(run))


def test_tensorboard_keeps_one_set_of_events(run: Path):
    folder = Path(keep("tensorboard", run))
    assert keep("tensorboard", run) == str(folder)
    assert len(list(folder.iterdir())) == 1
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    assert [e.value for e in events.Scalars("claims/two_phases/effect")] == [0.5]
    (image,) = events.Images("plots/agreement")
    assert (image.height, image.width) == (4, 6)
    (said,) = events.Tensors("claims/text_summary")
    assert b"a \\| b" in said.tensor_proto.string_val[0]


def test_trackio_keeps_one_run_on_this_machine(run: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    told = keep("trackio", run)
    assert keep("trackio", run) == told
    import trackio

    (found,) = trackio.Api().runs("anchor-harness")
    assert found.name == f"mine-{of(run).id}"
    assert next((tmp_path / "trackio").rglob("report.html*"), None) or os.listdir(
        tmp_path / "trackio"
    )


def test_mlflow_keeps_one_run(run: Path, tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where artefacts go
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    told = keep("mlflow", run)
    assert keep("mlflow", run) == told
    import mlflow

    (found,) = mlflow.search_runs(experiment_names=["anchor-harness"], output_format="list")
    assert found.data.metrics["claims/two_phases/effect"] == 0.5
    assert found.data.tags["claims/two_phases/verdict"] == "supported"
    names = {each.path for each in mlflow.MlflowClient().list_artifacts(found.info.run_id)}
    assert names == {"claims.csv", "plots", "report.html"}


def test_wandb_keeps_a_run_offline(run: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    folder = Path(keep("wandb", run))
    assert tmp_path in folder.parents
    assert next(folder.parent.glob("*.wandb")).stat().st_size > 0
