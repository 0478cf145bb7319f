"""The figures of the published data come out of convert and report, from end to end."""

import os
from pathlib import Path

import polars as pl
import pytest

from harness.cli.hydra import composed, hydra_session
from harness.convert.__main__ import command
from harness.convert.thought_anchors.figures import converged, figures
from harness.convert.thought_anchors.labels import kappas
from harness.core.config import build
from harness.report.build import report
from harness.report.settings import configured
from harness.text.categories import Labels

ROOT = Path(__file__).parents[4]
DATA = Path(os.environ.get("ANCHOR_HARNESS_DATA", ROOT.parent / "shared" / "data"))
SITE = DATA / "thought_anchors_site"
there = pytest.mark.skipif(
    not SITE.is_dir(), reason="no thought_anchors_site; ANCHOR_HARNESS_DATA names its folder"
)

PAIR = "counterfactual_kl ~ "
SPEARMAN = {  # with undefined importances as 0, and left out
    PAIR + "counterfactual_accuracy": (0.826, 0.725),
    PAIR + "resampling_kl": (0.698, 0.826),
    PAIR + "forced_kl": (0.231, 0.347),
    PAIR + "position": (-0.465, -0.547),
}
OTHERS = {
    "suppression ~ position": 0.68,
    "suppression ~ counterfactual_kl | position": 0.02,
    "suppression ~ length | position": 0.53,
    "counterfactual_accuracy ~ resampling_accuracy": 0.74,
    "mean counterfactual_kl of plan_generation": 0.95,
    "mean counterfactual_kl of fact_retrieval": 0.35,
    "mean counterfactual_kl of uncertainty_management": 0.34,
    "mean counterfactual_kl of active_computation": 0.24,
}
COARSE = {
    "mean forced_kl of active_computation": 2.5,
    "mean forced_kl of result_consolidation": 3.6,
}


@pytest.fixture(scope="module", params=["zero", "nan"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("published") / request.param
    options = [f"undefined={request.param}", "text_detectors=false"]
    command(["thought_anchors", str(SITE), str(run), *options])
    small = ["agreement.statistics=[spearman]", "agreement.controls=[none,position]"]
    conf = configured(run, [*small, "report.example_traces=1", "report.dpi=50"])
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "nan":  # the numbers are enough the second time
            patch.setattr("harness.report.build.draw", lambda *_: [])
            patch.setattr("harness.report.build.render", lambda run, _: run)
        report(run, *conf)
    return run


@there
def test_published_figures(run: Path) -> None:
    found = figures(run)
    treatment = ("zero", "nan").index(run.name)
    for name, values in SPEARMAN.items():
        assert found[name] == pytest.approx(values[treatment], abs=0.002), name
    if run.name == "zero":
        for name, value in OTHERS.items():
            assert found[name] == pytest.approx(value, abs=0.03), name
        for name, value in COARSE.items():
            assert found[name] == pytest.approx(value, abs=0.05), name
        assert "Too few problems for inference (5)" in (run / "report.html").read_text()


@there
def test_cuts_and_labels_against_the_published(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    command(["thought_anchors", str(SITE), str(run), "text_detectors=false"])
    out = capsys.readouterr().out
    assert "1434 sentences, cut as here in 10 of 10 traces" in out
    assert "importance of 209 that no rollout does without is 0" in out
    with hydra_session(None) as loader:
        labels = build(Labels, composed([], loader)["labels"], "labels")
    table = kappas(run, labels)
    assert table["n_sentences"].to_list()[-2:] == [779, 655]
    halves = dict(table.tail(2).select("traces", "kappa").iter_rows())
    assert halves["rules written on these"] > 0.60
    assert halves["held out"] > 0.36


def test_a_trace_converges_at_the_first_three_idle_sentences() -> None:
    kl = [0.5, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.2, 0.0]
    frame = pl.DataFrame({"trace_id": ["a"] * 9, "sentence": range(9), "resampling_kl": kl})
    assert converged(frame)["sentence"].to_list() == [0, 1, 2, 3]
    short = frame.head(6)  # two idle ones at its end do not make three
    assert converged(short)["sentence"].to_list() == [0, 1, 2, 3, 4, 5]
