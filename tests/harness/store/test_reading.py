"""Digests: any damage to a file is named when it is read, and costs little to look for."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from harness.core import UserError
from harness.store import schema
from harness.store.files import write_frame, write_json, write_yaml
from harness.store.folder import make, unchecked
from harness.store.reading import (
    damaged,
    intact,
    marked,
    read_frame,
    read_json,
    read_yaml,
    run_id,
    scan_frames,
)

SENTENCES = pl.DataFrame(
    {"trace_id": [f"t{i // 9}" for i in range(90)], "value": np.arange(90.0), "text": "so six"}
)


def frame(path: Path) -> pl.DataFrame:
    return read_frame(path, {"trace_id": pl.String})


WRITERS: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
    "x.parquet": (lambda path: write_frame(path, SENTENCES), frame),
    "x.json": (lambda path: write_json(path, {"state": "done", "n": [1.5, None]}), read_json),
    "x.yaml": (lambda path: write_yaml(path, {"identity": {"seed": 3}, "é": "ü"}), read_yaml),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_flipped_bit_is_never_other_data(tmp_path: Path, name: str):
    write, read = WRITERS[name]
    path = tmp_path / name
    write(path)
    whole, there, rng = path.read_bytes(), read(path), random.Random(3)
    assert intact(path, whole)
    named = 0
    for _ in range(150):
        at, bit = rng.randrange(len(whole)), 1 << rng.randrange(8)
        path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
        found = outcome(read, path)
        named += isinstance(found, str)
        if isinstance(found, str):
            assert found.startswith((f"{path}: ", f"cannot read {path}"))
        else:  # what says that there is a digest was hit: unchecked, but the same data
            assert not marked(path)[0]
            assert found.equals(there) if isinstance(found, pl.DataFrame) else found == there
    assert named > 100


def outcome(read: Callable[[Path], object], path: Path) -> object:
    try:
        return read(path)
    except UserError as error:
        return str(error)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("left", [0, 1, 40, -1, -20])
def test_a_file_cut_short_is_named(tmp_path: Path, name: str, left: int):
    write, read = WRITERS[name]
    write(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:left])
    with pytest.raises(UserError, match=rf"{name}: (is|cannot|holds)"):
        read(tmp_path / name)


def test_what_carries_no_digest_is_read_and_listed(tmp_path: Path):
    write_frame(tmp_path / "new.parquet", SENTENCES)
    write_json(tmp_path / "new.json", {"a": 1})
    SENTENCES.write_parquet(tmp_path / "old.parquet")
    (tmp_path / "old.json").write_text('{"a": 1}')
    assert frame(tmp_path / "old.parquet").equals(frame(tmp_path / "new.parquet"))
    assert read_json(tmp_path / "old.json") == read_json(tmp_path / "new.json") == {"a": 1}
    assert [path.name for path in unchecked(tmp_path)] == ["old.json", "old.parquet"]


def test_a_missing_and_a_foreign_file_are_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"none\.parquet: is missing; the command that made"):
        frame(tmp_path / "none.parquet")
    write_frame(tmp_path / "other.parquet", SENTENCES)
    with pytest.raises(UserError, match=r"other\.parquet: has no column sentence"):
        read_frame(tmp_path / "other.parquet", schema.SCORES)
    with pytest.raises(UserError, match=r"other\.parquet: has no column boundary"):
        scan_frames([tmp_path / "other.parquet"], schema.ROLLOUTS)
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(UserError, match=r"list\.json: is no JSON object"):
        read_json(tmp_path / "list.json")


@pytest.mark.parametrize("name", ["scores/mi.parquet", "rollouts/t/1.parquet", "status/mi.json"])
def test_a_file_of_another_run_is_named(tmp_path: Path, name: str):
    """Whole, in its place, and with the digest that it was written with."""
    for run, seed in (("a", 1), ("b", 2)):
        make(tmp_path / run, {}, {"seed": seed}, "")
        write = write_json if name.endswith("json") else write_frame
        write(tmp_path / run / name, {"n": seed} if name.endswith("json") else SENTENCES)
    read = read_json if name.endswith("json") else frame
    read(tmp_path / "a" / name)
    (tmp_path / "a" / name).write_bytes((tmp_path / "b" / name).read_bytes())
    with pytest.raises(UserError, match=r"a file of another run; the command that made") as caught:
        read(tmp_path / "a" / name)
    assert name in str(caught.value)
    assert damaged(tmp_path / "a" / name)  # hence made again


def test_a_run_is_known_by_what_it_is_and_older_files_are_listed(tmp_path: Path):
    for name, identity in {
        "a": {"seed": 1}, "again": {"seed": 1}, "grown": {"seed": 1, "problems.limit": 9},
        "b": {"seed": 2},
    }.items():  # fmt: skip
        make(tmp_path / name, {}, identity, "")
    a, again, grown, b = (run_id(tmp_path / n / "x.json") for n in ("a", "again", "grown", "b"))
    assert a == again == grown != b
    assert run_id(tmp_path / "none" / "x.json") == ""
    assert run_id(tmp_path / "b" / "selftest" / "x" / "y.parquet") == b
    write_frame(tmp_path / "old.parquet", SENTENCES)  # of a run that had no id
    (tmp_path / "old.parquet").rename(tmp_path / "a" / "old.parquet")
    write_frame(tmp_path / "a" / "new.parquet", SENTENCES)
    assert [path.name for path in unchecked(tmp_path / "a")] == ["old.parquet"]


def test_a_link_in_a_run_is_not_followed(tmp_path: Path):
    (tmp_path / "secret.json").write_text("{}")
    run = tmp_path / "run"
    (run / "status").mkdir(parents=True)
    (run / "status" / "mi.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(UserError, match=r"status/mi\.json: is a link, and none is followed"):
        unchecked(run)


def test_a_digest_costs_little_of_reading(tmp_path: Path):
    """A trace of a thousand tokens, 3,000 of them; the bound leaves room for a busy machine."""
    rng = np.random.default_rng(0)
    ids = pl.Series("token_ids", rng.integers(0, 50_000, (3000, 1000), dtype=np.int32))
    write_frame(tmp_path / "x.parquet", pl.DataFrame({"token_ids": ids.cast(pl.List(pl.Int32))}))
    kinds = {"token_ids": pl.List(pl.Int32)}

    def seconds(read: Callable[[], object]) -> float:
        start = time.process_time()
        read()
        return time.process_time() - start

    plain = min(seconds(lambda: pl.read_parquet(tmp_path / "x.parquet")) for _ in range(5))
    checked = min(seconds(lambda: read_frame(tmp_path / "x.parquet", kinds)) for _ in range(5))
    assert checked < 2 * plain
