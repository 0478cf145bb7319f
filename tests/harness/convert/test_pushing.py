"""A run pushed to a hub on this machine, read back, and refused where it must be."""

import re
import shutil
from pathlib import Path

import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal

import harness
from harness import UserError
from harness.convert import __main__ as convert
from harness.convert.card import safe
from harness.convert.pushing import push
from harness.store import schema
from harness.store.files import write_frame
from harness.store.folder import FILE
from tests.harness.convert.tree import write_tree
from tests.harness.store.remote.local_hub import READS, WRITES, LocalHub, serving

CLAIM = {
    "claim": "c", "part": "", "text": "<b>a | b</b>", "source": "s", "effect": 0.5, "unit": "nats",
    "low": 0.25, "high": 0.75, "p": None, "p_holm": None, "supported_from": 0.0,
    "contradicted_below": 0.0, "n_problems": 12, "verdict": "supported", "missing": "",
    "worlds": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    run, tree = folder / "run", write_tree(folder / "tree", ("one",))
    convert.command(["thought_anchors", str(tree), str(run), "text_detectors=false"])
    write_frame(run / "claims.parquet", pl.DataFrame([CLAIM], schema=schema.CLAIMS))
    return run


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalHub:
    monkeypatch.setenv("HF_TOKEN", WRITES)
    with serving(monkeypatch, tmp_path / "cache") as hub:
        yield hub


def front(card: str) -> dict:
    return yaml.safe_load(card.split("---\n")[1])


def test_a_run_that_is_pushed_is_read_back(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("HF_TOKEN", WRITES)
    (run / ".leases" / "x.lease").write_text("mine")
    with serving(monkeypatch, tmp_path / "cache") as hub:
        convert.command(["push", str(run), "me/run", "license=mit"])
        loaded = harness.load("hf://me/run")
    assert f"{hub.address}/datasets/me/run: load it with" in capsys.readouterr().out
    there = {p.relative_to(run).as_posix() for p in run.rglob("*") if p.is_file()}
    assert set(hub.files["me/run"]) == there - {".leases/x.lease"}
    assert hub.private == {"me/run"}
    here = harness.load(run)
    for name in ("traces", "sentences", "scores", "claims"):
        assert_frame_equal(getattr(here, name), getattr(loaded, name))
    assert here.status == loaded.status
    fetched = {p.suffix for p in loaded.path.rglob("*") if p.is_file()}
    assert fetched == {".parquet", ".json", ".yaml"}
    assert harness.load("hf://me/run").path == loaded.path  # away from the hub: from its cache
    with pytest.raises(UserError, match=r"hf://me/other: .* cannot be reached, nor is it in the"):
        harness.load("hf://me/other")
    with pytest.raises(UserError, match=r"cannot be reached; .*/run is ready to be pushed"):
        convert.command(["push", str(run), "me/run"])


def test_what_the_hub_refuses_is_one_line(
    run: Path, hub: LocalHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="hf://me/nix: is not on the hub, or is private"):
        harness.load("hf://me/nix")
    monkeypatch.setenv("HF_TOKEN", READS)
    with pytest.raises(UserError, match=r"^me/run: the token may not write there; .* is ready"):
        convert.command(["push", str(run), "me/run"])
    assert (run / "README.md").is_file()


def test_without_a_token_the_folder_is_ready(run: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    convert.command(["push", str(run), "me/run"])
    assert f"hf upload me/run {run} --repo-type dataset" in capsys.readouterr().out


def test_a_card_says_what_there_is_and_its_text_is_no_markup(run: Path, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    convert.command(["push", str(run), "me/run", "license=mit"])
    card = (run / "README.md").read_text()
    about = front(card)
    assert about["license"] == "mit"
    named = {one["config_name"]: one["data_files"] for one in about["configs"]}
    assert named["scores_forced_kl"] == "scores/forced_kl.parquet"
    assert all(list(run.glob(pattern)) for pattern in named.values())
    assert "| model | one |" in card
    assert "| problems | 2 of thought\\_anchors |" in card
    assert "| traces | 4, of which 2 are right; 16 sentences |" in card
    row = r"| \<b\>a \| b\</b\> | supported | .50 nats | \[.25, .75\] | 12 |  |"
    assert row in card
    assert 'harness.load("hf://me/run")' in card


def test_nothing_in_a_card_s_text_is_markup() -> None:
    assert safe("a | <i>*b*</i>\n# c") == r"a \| \<i\>\*b\*\</i\> \# c"


def test_a_name_that_is_none_writes_nothing(run: Path) -> None:
    for name in ("run", "a/b/c", "../b", "-a/b", "a/b--c", "a/b.git", "a/..", ""):
        with pytest.raises(UserError, match=f"^{re.escape(name)}: is no name of a dataset"):
            push(run, name, None, private=True)
    assert not (run / "README.md").exists()


def test_a_link_is_not_pushed_and_a_path_of_the_machine_is_named(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    text = re.sub("^digest:.*\n", "", (run / FILE).read_text(), flags=re.M)
    (run / FILE).write_text(text + "problems:\n  path: /data/mine.jsonl\n")
    convert.command(["push", str(run), "me/run"])
    assert "run.yaml: problems.path is a path of this machine" in capsys.readouterr().err
    (run / "scores" / "secret.parquet").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"secret\.parquet: is a link"):
        convert.command(["push", str(run), "me/run"])
