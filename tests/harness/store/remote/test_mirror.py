"""Runs on an object store: parts made apart come together there, and nothing is made twice."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from harness.cli.checks import plan
from harness.core import UserError
from harness.run.job import job
from harness.store.remote import mirror as module
from harness.store.remote.mirror import Mirror, mirror
from tests.harness.together import check_alike, line, rollouts

pytestmark = pytest.mark.slow

STORE = Mirror("memory://store")


@pytest.fixture(autouse=True)
def system() -> Iterator[Any]:
    found = fsspec.filesystem("memory")
    yield found
    if found.exists("/store"):
        found.rm("/store", recursive=True)


def work(results: Path, *more: str) -> None:
    (todo,) = plan(line(results, "mirror=memory://store", *more)).jobs
    with todo.mirror.kept(todo.folder):
        job(todo.run)


def test_parts_made_on_machines_of_their_own_are_gathered(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work(tmp_path / "lost", "shard=0/2", "sampling.draws=4")
    work(tmp_path / "0", "shard=0/2")
    work(tmp_path / "1", "shard=1/2")
    lost, *parts = (rollouts(tmp_path / name) for name in ("lost", "0", "1"))
    assert len(lost) < len(parts[0]) < len(parts[1])  # each has fetched what was there
    assert {key: parts[0][key] for key in lost} == lost
    monkeypatch.setattr(
        "harness.engines.hf.HF.start", lambda *_: pytest.fail("nothing is left to draw")
    )
    work(tmp_path / "all")
    check_alike(tmp_path / "all", alone)


def test_files_are_sent_once_as_they_are_written_and_fetched_where_they_lack(
    tmp_path: Path, system: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVERY", 0.01)
    put, here, there = list[str](), tmp_path / "here/r", tmp_path / "there/r"
    plain = MemoryFileSystem.pipe_file

    def noted(system: Any, path: str, content: bytes) -> None:
        put.append(path)
        plain(system, path, content)

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", noted)
    (here / ".leases").mkdir(parents=True)
    (here / ".leases/x.lease").write_text("mine")
    (here / "a").write_text("1")
    with STORE.kept(here):
        (here / "rollouts").mkdir()
        (here / "rollouts/b").write_text("2")
        started = time.monotonic()
        while not system.exists("/store/r/rollouts/b"):
            assert time.monotonic() - started < 10
    assert put == ["/store/r/a", "/store/r/rollouts/b"]
    there.mkdir(parents=True)
    (there / "a").write_text("mine")
    with STORE.kept(there):
        pass
    assert (there / "a").read_text() == "mine"
    assert (there / "rollouts/b").read_text() == "2"
    assert put[2:] == ["/store/r/a"]
    assert not (there / ".leases").exists()


def test_a_folder_is_a_store_too(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r/a").write_text("1")
    with mirror(f"file://{tmp_path}/store").kept(tmp_path / "r"):
        pass
    assert (tmp_path / "store/r/a").read_text() == "1"


def test_a_store_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"^mirror: nix://a fails \(ValueError: Protocol not known"):
        mirror("nix://a")
    with pytest.raises(UserError, match=r"^mirror: must be a valid string, got 3$"):
        mirror(3)
    assert mirror(None) is None

    def refused(*_: object) -> None:
        raise PermissionError("no\nwriting")

    def written() -> None:
        with STORE.kept(tmp_path):
            (tmp_path / "a").write_text("1")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refused)
    words = r"^mirror: memory://store fails \(PermissionError: no writing\)$"
    with pytest.raises(UserError, match=words):
        written()


def test_another_run_of_that_name_is_refused(tmp_path: Path) -> None:
    work(tmp_path / "a", "problems.limit=1", "sampling.seed=9", "shard=0/1")
    with pytest.raises(UserError, match=r"^mirror: r there was made with another sampling\.seed;"):
        plan(line(tmp_path / "b", "mirror=memory://store"))
    more = ("sampling.seed=9", "overwrite=true", "mirror=memory://store")
    with pytest.raises(UserError, match=r"^overwrite: memory://store keeps r; choose another run"):
        plan(line(tmp_path / "b", *more))
    assert not (tmp_path / "b").exists()
