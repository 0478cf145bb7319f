"""Files: whole or not at all, under names that no id can break."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core import UserError
from harness.core.seeds import derive
from harness.store.files import parts, slug, write_bytes, write_frame, write_json
from harness.store.leases import lease, lock, taken
from harness.store.reading import read_json


@contextmanager
def full_disk(free: int) -> Iterator[None]:
    """No file can grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_does_not_fit_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    write_json(path, {"a": 1})
    with (
        full_disk(100),
        pytest.raises(UserError, match=r"^cannot write .*file.json: File"),
    ):
        write_bytes(path, bytes(10_000))
    assert read_json(path) == {"a": 1}
    assert [p.name for p in path.parent.iterdir()] == ["file.json"]


def test_an_interrupt_leaves_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_bytes(tmp_path / "file", b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write .*/file/x"):
        write_bytes(tmp_path / "file" / "x", b"")
    with pytest.raises(UserError, match=r"cannot write .*/file/.leases/x.lease"):
        lease(tmp_path / "file", "x")


def test_what_is_locked_is_free_again_whatever_happens_inside(tmp_path: Path) -> None:
    def failing() -> None:
        with lock(tmp_path, "a/b"):
            assert not taken(lease(tmp_path, "a/b"))
            assert taken(lease(tmp_path, "a-b"))
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert taken(lease(tmp_path, "a/b"))


@given(st.text(), st.text())
def test_names_are_safe_and_different(a: str, b: str) -> None:
    for name in (slug(a), slug(b)):
        assert name not in ("", ".", "..")
        assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
        assert len(name) <= 100
    assert (slug(a) == slug(b)) == (a == b)


def test_frames_come_back_and_no_part_is_an_empty_frame(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1.0, None, float("nan")]})
    write_frame(tmp_path / "parts" / "1.parquet", frame)
    assert parts(tmp_path / "parts", frame.schema).equals(frame, null_equal=True)
    assert parts(tmp_path / "none", frame.schema).schema == frame.schema
    assert read_json(tmp_path / "none.json") == {}


def test_seeds_are_the_same_on_every_machine() -> None:
    assert derive(0, "gsm8k/1", "resample", 3) == 1746679033828249499
    assert derive("ab", "c") != derive("a", "bc")
    assert 0 <= derive("x") < 2**63
