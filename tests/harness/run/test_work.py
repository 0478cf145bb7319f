"""Processes on one run folder: work is shared out, taken over from the dead, recorded once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from harness.cli.checks import plan
from harness.core import Draw, Problem, UserError
from harness.evidence.recorder import Recorder, Start
from harness.run import rounds as running
from harness.run import sampling
from harness.run import traces as writing
from harness.run.job import job
from harness.run.progress import Meter
from harness.run.sampling import offered
from harness.run.work import Leases, part, piece
from harness.store.files import add_part
from harness.store.leases import lease, lock, taken
from tests.harness import forked
from tests.harness.together import check_alike, line, rollouts

pytestmark = pytest.mark.slow


def work(results: Path, *more: str, flush: float = 10.0) -> None:
    sampling.FLUSH, running.POLL, writing.POLL = flush, 0.1, 0.1
    job(plan(line(results, *more)).jobs[0].run)


started = partial(forked.started, work)


def killed(results: Path) -> None:
    """Work that ends by a signal when the first rollouts of a trace's own are written."""

    def add_and_die(folder: Path, table: pl.DataFrame) -> None:
        add_part(folder, table)
        if "-0-" in folder.name:
            os.kill(os.getpid(), signal.SIGKILL)

    sampling.add_part = add_and_die
    work(results, flush=0.0)


@pytest.mark.parametrize("n", [2, 4])
def test_processes_share_a_run(alone: Path, tmp_path: Path, n: int) -> None:
    every = [started(tmp_path) for _ in range(n)]
    for process in every:
        process.join(timeout=120)
    assert [process.exitcode for process in every] == [0] * n
    check_alike(tmp_path, alone)
    assert list((tmp_path / "r" / ".leases").iterdir()) == []


def test_what_a_killed_process_held_is_taken_up(alone: Path, tmp_path: Path) -> None:
    first = forked.started(killed, tmp_path)
    first.join(timeout=120)
    assert first.exitcode == -signal.SIGKILL
    assert list((tmp_path / "r" / ".leases").iterdir())
    assert 0 < len(rollouts(tmp_path)) < len(rollouts(alone))
    second = started(tmp_path)
    second.join(timeout=240)
    assert second.exitcode == 0
    check_alike(tmp_path, alone)


def test_fixed_parts_need_no_leases_and_are_gathered_at_the_end(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for which in ("0/2", "1/2"):
        job(plan(line(tmp_path, f"shard={which}")).jobs[0].run)
    assert not (tmp_path / "r" / "traces.parquet").exists()
    assert rollouts(tmp_path).keys() == rollouts(alone).keys()
    monkeypatch.setattr(
        "harness.engines.hf.HF.start", lambda *_: pytest.fail("nothing is left to draw")
    )
    job(plan(line(tmp_path)).jobs[0].run)
    check_alike(tmp_path, alone)


@pytest.mark.parametrize("value", ["4/4", "1", "a/b", "-1/4", "0/0", "3"])
def test_a_part_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(UserError, match=r"^shard: must be I/N with I below N"):
        part(value)


def test_a_piece_has_one_holder_until_it_is_given_back(tmp_path: Path) -> None:
    a, b = Leases(tmp_path, "scores"), Leases(tmp_path, "scores")
    assert a.take(1)
    assert a.take(1)
    assert not b.take(1)
    assert b.take(2)
    assert Leases(tmp_path, "rollouts").take(1)
    a.free()
    assert b.take(1)
    b.confirm()


def test_one_who_died_before_it_said_who_it_was_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("filelock._soft.MALFORMED_LOCK_AGE_THRESHOLD", 0.1)
    held = lease(tmp_path, "x/1")
    empty = Path(held.lock_file)
    empty.touch()
    for _ in range(5):  # it may be about to say so
        assert not taken(held)
        time.sleep(0.05)
    os.utime(empty, (time.time() - 60,) * 2)
    with lock(tmp_path, "x/1"):
        assert not taken(lease(tmp_path, "x/1"))
        assert empty.read_text().startswith("filelock/")


def test_a_dead_holder_is_known_at_once(tmp_path: Path) -> None:
    code = (
        "import os, pathlib; from harness.store.leases import lease, taken\n"
        f"held = lease(pathlib.Path({str(tmp_path)!r}), 'x/1')\nassert taken(held); os._exit(1)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 1
    assert len(list((tmp_path / ".leases").iterdir())) == 1
    mine = Leases(tmp_path, "x")
    assert mine.take(1) or mine.take(1)


def test_a_holder_elsewhere_is_lost_when_it_falls_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.store.leases.LEASE", 0.6)
    theirs = lease(tmp_path, "x/1")
    assert taken(theirs)
    record = Path(theirs.lock_file).read_text()
    mine, started = Leases(tmp_path, "x"), time.monotonic()
    while time.monotonic() - started < 1.5:  # it lives and says so
        assert not mine.take(1)
        time.sleep(0.05)
    theirs.release()
    elsewhere = "".join(
        "host=elsewhere\n" if "host" in entry.partition("=")[0] else entry
        for entry in record.splitlines(keepends=True)
    )
    assert elsewhere != record
    Path(theirs.lock_file).write_text(elsewhere)
    started = time.monotonic()
    while not mine.take(1):
        assert time.monotonic() - started < 5
        time.sleep(0.05)
    assert time.monotonic() - started >= 0.6
    mine.confirm()


def test_who_was_taken_over_records_nothing_more(recorder: Recorder) -> None:
    leases = Leases(recorder.run, "x")
    assert leases.take(1)
    leases.confirm()
    Path(leases.held[0].lock_file).unlink()
    with pytest.raises(UserError, match="another took over its work"):
        leases.confirm()


def starts(n: int) -> list[tuple[Start, list[Draw]]]:
    """One start a problem, each problem in a shard of its own."""
    found: dict[int, Problem] = {}
    for i in range(10_000):
        problem = Problem(f"p{i}", "q", "a", None, "s", "evaluate")
        found.setdefault(piece(problem), problem)
    problems = list(found.values())[:n]
    return [(Start(p.id, p, (1,), (), (0,)), [Draw(0, 10)]) for p in problems]


def test_pieces_are_taken_only_as_they_are_asked_for(tmp_path: Path) -> None:
    a, b = Leases(tmp_path, "x"), Leases(tmp_path, "x")
    wanted, meter = starts(4), Meter("test", None)
    mine, theirs = offered(a, wanted, meter), offered(b, wanted, meter)
    taken_in_turn: Iterator[str] = (next(each)[0].owner for each in (mine, theirs, mine, theirs))
    assert sorted(taken_in_turn) == sorted(start.owner for start, _ in wanted)
    assert (list(mine), list(theirs)) == ([], [])


def test_an_engine_that_takes_everything_gets_a_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.run.sampling.AHEAD", 35)
    wanted, meter = starts(9), Meter("test", None)
    assert len(list(offered(Leases(tmp_path, "x"), wanted, meter))) == 4  # 40 rollouts > 35
    coming = offered(Leases(tmp_path, "y"), wanted, meter)
    for _ in wanted:
        next(coming)
        meter.add(10)  # an engine that finishes what it was given goes on
