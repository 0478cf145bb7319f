"""vLLM itself, on the organism: `make test-vllm`."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.completing import Completing
from harness.engine import Finished
from harness.store import read_json
from harness.types import UserError
from harness.vllm import VLLM, installed
from tests.harness.rolling import alike, answers, hf, scene
from tests.harness.test_kill import recorded

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None, reason="no vLLM here: make test-vllm"),
]
EAGER = {"enforce_eager": True}  # starts sooner, as nothing is compiled
CONF = VLLM(
    versions=(installed() or "",), slots=512, max_length=None, memory=0.9, cpu_memory=1,
    tensor_parallel=1, data_parallel=1, quantization=None, extra=EAGER,
)  # fmt: skip


def started(heat: tuple[float, float] = (1.0, 1.0), **changes: Any) -> Completing:
    where = scene()
    return replace(CONF, **changes).start(where.subject, where.stops, heat)


@pytest.fixture(scope="module")
def engine() -> Iterator[Completing]:
    running = started()
    yield running
    running.close()


def family(engine: Completing) -> list[psutil.Process]:
    """The processes of an engine."""
    process = engine.completers[0].process
    assert process is not None
    own = psutil.Process(process.pid)
    return [own, *own.children(recursive=True)]


def gone(processes: Sequence[psutil.Process], seconds: float) -> bool:
    _, alive = psutil.wait_procs(processes, seconds)
    return all(p.status() == psutil.STATUS_ZOMBIE for p in alive)


def test_answers_are_distributed_as_those_of_the_hf_engine(engine: Completing) -> None:
    where = scene()
    for cut in where.cuts[:2]:
        todo = where.requests(cut, 400)
        ours, theirs = answers(hf(where.subject, where.stops), todo), answers(engine, todo)
        assert ours.total() == theirs.total() == 400
        assert len([answer for answer in ours if ours[answer] > 20]) > 1
        assert alike(ours, theirs) > 1e-3
    assert engine.counts["cached_tokens"] > 0
    assert engine.counts["prompt_tokens"] > engine.counts["cached_tokens"]
    assert engine.counts["preemptions"] >= 0


def test_the_first_sentence_and_the_answer_end_rollouts(engine: Completing) -> None:
    where = scene()
    sentence = where.requests(where.cuts[1], 50, until="sentence")
    forced = tuple(where.subject.encode("</think>\n\n\\boxed{"))
    answer = where.requests(where.cuts[1], 50, until="answer", extra=forced)
    for done in engine.sample([*sentence, *answer]):
        until, extra = done.request.until, done.request.extra
        for ids, reason in zip(done.token_ids, done.finish_reason, strict=True):
            assert not where.subject.eos & set(ids)
            ends = [where.stops.reached(until, extra, ids[: i + 1]) for i in range(len(ids))]
            assert not any(ends[:-1])
            assert (reason == until) == any(ends)
        assert until in done.finish_reason


def test_greedy_rollouts_are_those_of_the_hf_engine() -> None:
    from harness.hf import HF

    where, cold = scene(), (0.0, 1.0)
    todo = [where.requests(cut, 2)[0] for cut in where.cuts]
    running = started(cold)
    found = sorted(running.sample(todo), key=lambda done: todo.index(done.request))
    running.close()
    ours = HF(64, 4096).start(where.subject, where.stops, cold).sample(todo)
    assert found == sorted(ours, key=lambda done: todo.index(done.request))


def test_what_was_finished_is_kept_when_its_process_is_killed(engine: Completing) -> None:
    """Also that the rest of its group goes with it, and that another engine goes on."""
    where = scene()
    todo = [r for cut in where.cuts for r in where.requests(cut, 100)]
    doomed, members = started(slots=16), list[psutil.Process]()
    finished: list[Finished] = []

    def sampled() -> None:
        for done in doomed.sample(todo):
            finished.append(done)
            if len(finished) == 3:
                members.extend(family(doomed))
                members[0].send_signal(signal.SIGKILL)

    with pytest.raises(UserError, match=r"its process died .*; what is finished is kept") as caught:
        sampled()
    assert "\n" not in str(caught.value)
    assert 3 <= len(finished) < len(todo)
    assert members
    assert gone(members, 10)
    doomed.close()
    rest = [request for request in todo if request not in [done.request for done in finished]]
    assert sorted(d.request.key for d in engine.sample(rest)) == sorted(r.key for r in rest)


def test_closing_gives_its_memory_back() -> None:
    running = started()
    list(running.sample(scene().requests(scene().cuts[0], 1)))
    members = family(running)
    running.close()
    assert gone(members, 0)


def test_several_copies_share_the_work() -> None:
    where = scene()
    other = [replace(r, base=r.base[:-1]) for r in where.requests(where.cuts[0], 50)]
    todo = [*where.requests(where.cuts[0], 50), *other]
    running = started(data_parallel=2)
    assert len(list(running.sample(todo))) == len(todo)
    each = [completer.counts["prompt_tokens"] for completer in running.completers]
    running.close()
    assert all(n > 0 for n in each)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"extra": {**EAGER, "no_such_argument": 1}},
            r"does not start \(TypeError: .*no_such_argument",
        ),
        ({"quantization": "nix"}, r"does not start \(.*nix"),
    ],
)
def test_what_keeps_it_from_starting_is_one_line(change: dict[str, Any], words: str) -> None:
    broken = started(**change)
    with pytest.raises(UserError, match=words) as caught:
        list(broken.sample(scene().requests(scene().cuts[0], 1)))
    assert "\n" not in str(caught.value)
    broken.close()


def test_a_prefix_that_is_too_long_is_named() -> None:
    short = started(max_length=100)
    with pytest.raises(UserError, match=r"exceed the 100 that fit; lower it, or raise engine\."):
        list(short.sample(scene().requests(scene().cuts[0], 1)))
    short.close()


LINE = [
    sys.executable, "-m", "harness", "engine=vllm", "method=[resampling_plain]", "run=v",
    "problems.limit=2", "problems.reference=5", "engine.cpu_memory=1",
    "+engine.extra.enforce_eager=true",
]  # fmt: skip


def test_a_run_goes_on_after_it_was_killed_and_leaves_nothing_running(tmp_path: Path) -> None:
    with subprocess.Popen([*LINE, "sampling.draws=400"], cwd=tmp_path) as killed:
        while not (tmp_path / "results/v/traces.parquet").exists() and killed.poll() is None:
            time.sleep(0.2)
        time.sleep(3)
        members = psutil.Process(killed.pid).children(recursive=True)
        killed.send_signal(signal.SIGKILL)
    assert members
    assert gone(members, 30)
    done = subprocess.run(
        [*LINE, "sampling.draws=50"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    keys = [row[:4] for row in recorded(tmp_path / "results/v")]
    assert len(keys) == len(set(keys))
    status = read_json(tmp_path / "results/v/status/resampling_plain.json")
    assert status["state"] == "done"
    assert status["engine"]["cached_tokens"] > 0
