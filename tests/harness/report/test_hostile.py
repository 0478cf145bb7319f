"""A run folder from anywhere: nothing that it names is imported, nothing beyond it is read."""

import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from harness import load
from harness.claims import claims
from harness.cli.checks import plan
from harness.compare.__main__ import compare
from harness.convert.exporting import export
from harness.core import UserError
from harness.report.build import report
from harness.report.settings import Report, configured
from harness.store.files import write_json
from harness.store.reading import read_json
from tests.harness.comparing import load as agreement
from tests.harness.synthetic import write_run
from tests.harness.together import line

CONF = replace(agreement(), statistics=("spearman",), controls=("none",), draws=20, flips=20)
PAGE = Report(trace=None, dpi=30, example_traces=1, tracker=None)
ROOT = Path(__file__).parents[3]
BROUGHT = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\nclass Thing: pass\n"


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that names a module of its own wherever a class could stand, and brings it."""
    run = write_run(tmp_path / "r", n_problems=2)
    for path in (run / "status").glob("*.json"):
        about = {"text": 3, "options": {"_target_": "brought.Thing"}}
        write_json(path, read_json(path) | {"family": "x", "signed": False, "about": about})
    (run / "brought.py").write_text(BROUGHT)
    target = {"_target_": "brought.Thing", "k": 1}
    names = ("resampling", "attention", "mi", "suppression", "rl_entropy", "transplant")
    content = {"method": dict.fromkeys(names, target), "problems": target, "engine": target}
    content |= {"model": target, "agreement": target, "report": target, "identity": {"a": 1}}
    (run / "run.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.syspath_prepend(str(run))
    return run


def test_nothing_that_a_folder_names_is_imported(hostile: Path, tmp_path: Path):
    with pytest.raises(UserError, match=r"agreement\._target_ names code or a variable"):
        configured(hostile, [])
    page = report(hostile, CONF, PAGE, claims(None)).read_text(encoding="utf-8")
    assert "brought.Thing" in page  # as text of run.yaml
    assert load(hostile).scores["method"].n_unique() > 5
    export(hostile, tmp_path / "out", "csv")
    with pytest.raises(UserError, match="was made with another config"):
        plan(line(tmp_path, "model=organism"))
    with suppress(UserError):  # its settings name code
        compare([load(hostile)] * 2, tmp_path / "sides.html")
    assert "brought" not in sys.modules
    assert not (hostile / "ran").exists()


def test_a_setting_of_a_folder_reads_no_variable(hostile: Path):
    content = {"agreement": {"draws": "${oc.env:HOME}"}, "report": {}}
    (hostile / "run.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(UserError, match=r"agreement\.draws names code or a variable"):
        configured(hostile, [])


def test_a_link_out_of_the_folder_is_refused(hostile: Path, tmp_path: Path):
    (tmp_path / "secret.svg").write_text("<svg>secret</svg>")
    (hostile / "plots").mkdir()
    (hostile / "plots" / "x.svg").symlink_to(tmp_path / "secret.svg")
    with pytest.raises(UserError, match=r"plots/x\.svg: is a link"):
        report(hostile, CONF, PAGE, claims(None))


def test_a_claim_whose_test_does_not_ship_is_left_out(hostile: Path, capsys):
    shipped = yaml.safe_load((ROOT / "conf" / "claim" / "convergence.yaml").read_text())
    own = shipped["convergence"]
    brought = own | {"test": own["test"] | {"_target_": "brought.Thing"}}
    nodes = {"agreement": yaml.safe_load((ROOT / "conf/agreement/default.yaml").read_text())}
    nodes["report"] = {"trace": None, "dpi": 50, "example_traces": 1}
    nodes["claim"] = {"convergence": own, "brought": brought, "empty": None}
    (hostile / "run.yaml").write_text(yaml.safe_dump(nodes))
    *_, found = configured(hostile, [])
    assert list(found) == ["convergence"]
    told = capsys.readouterr().err
    assert "left out: claim brought, whose test brought.Thing does not ship" in told
    assert "brought" not in sys.modules
