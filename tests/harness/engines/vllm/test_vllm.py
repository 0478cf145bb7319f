"""vLLM itself, on the organism: `make test-vllm`."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.core import UserError
from harness.engines.base import Finished, LazyEngine, Request
from harness.engines.completions import CompletionEngine
from harness.engines.vllm import VLLM, installed
from harness.models.conditions import Forbidden
from harness.store.reading import read_json
from tests.harness.rolling import alike, answers, hf, scene
from tests.harness.run.test_kill import recorded

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None, reason="no vLLM here: make test-vllm"),
]
EAGER = {"enforce_eager": True}  # starts sooner, as nothing is compiled
CONF = VLLM(
    versions=(installed() or "",), slots=512, max_length=None, memory=0.9, cpu_memory=1,
    tensor_parallel=1, data_parallel=1, quantization=None, kv_cache_dtype=None,
    batch_invariant=False, cascade=False, max_num_batched_tokens=None, async_scheduling=None,
    speculative=None, extra=EAGER,
)  # fmt: skip


def started(**changes: Any) -> CompletionEngine:
    where = scene()
    return replace(CONF, **changes).start(where.subject, where.stops, "")


@pytest.fixture(scope="module")
def engine() -> Iterator[CompletionEngine]:
    running = started()
    yield running
    running.close()


@pytest.fixture(scope="module")
def small() -> Iterator[CompletionEngine]:
    """One with room for a trace and no more."""
    running = started(max_length=len(scene().prompt) + 384)
    yield running
    running.close()


def family(engine: CompletionEngine) -> list[psutil.Process]:
    """The processes of an engine, those of its first copy first."""
    owned = [psutil.Process(each.process.pid) for each in engine.completers]
    return [member for own in owned for member in (own, *own.children(recursive=True))]


def gone(processes: Sequence[psutil.Process], seconds: float) -> bool:
    _, alive = psutil.wait_procs(processes, seconds)
    return all(p.status() == psutil.STATUS_ZOMBIE for p in alive)


def test_answers_are_distributed_as_those_of_the_hf_engine(engine: CompletionEngine) -> None:
    """All rollouts of a boundary at once, so that the seed alone decides what is drawn."""
    where = scene()
    for cut in (where.cuts[4], where.cuts[6]):
        todo = where.requests(cut, 400, chunk=400)
        ours, theirs = answers(hf(where.subject, where.stops), todo), answers(engine, todo)
        assert ours.total() == theirs.total() == 400
        assert len([answer for answer in ours if ours[answer] > 20]) > 1
        assert alike(ours, theirs) > 1e-3
    assert engine.counts["cached_tokens"] > 0
    assert engine.counts["prompt_tokens"] > engine.counts["cached_tokens"]
    assert engine.counts["preemptions"] >= 0


def test_the_first_sentence_and_the_answer_end_rollouts(engine: CompletionEngine) -> None:
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


def test_greedy_rollouts_are_those_of_the_hf_engine(small: CompletionEngine) -> None:
    from harness.engines.hf import HF

    where = scene()
    todo = [where.requests(cut, 2, temperature=0.0)[0] for cut in where.cuts]
    found = sorted(small.sample(todo), key=lambda done: todo.index(done.request))
    ours = HF(64, 4096).start(where.subject, where.stops, "").sample(todo)
    assert found == sorted(ours, key=lambda done: todo.index(done.request))


def test_requests_of_one_engine_may_be_drawn_in_different_ways(small: CompletionEngine) -> None:
    """Greedy ones, free and under Forbidden, are those of the hf engine; hot ones lie between."""
    from harness.engines.hf import HF

    where = scene()
    common = Counter(where.written).most_common(8)
    never = (Forbidden(tuple(token for token, _ in common)),)
    todo = list[Request]()
    for cut in where.cuts[:4]:
        todo += where.requests(cut, 1, temperature=0.0, key=(str(cut), "free"))
        todo += where.requests(cut, 1, temperature=0.0, under=never, key=(str(cut), "cold"))
        todo += where.requests(cut, 9, temperature=1.5, under=never, key=(str(cut), "hot"))
    found = sorted(small.sample(todo), key=lambda done: todo.index(done.request))
    greedy = [request for request in todo if request.greedy]
    ours = HF(64, 4096).start(where.subject, where.stops, "").sample(greedy)
    assert [done for done in found if done.request.greedy] == sorted(
        ours, key=lambda done: todo.index(done.request)
    )
    under = [done for done in found if done.request.under]
    assert not {*never[0].ids} & {i for done in under for ids in done.token_ids for i in ids}
    hot = [ids for done in found if not done.request.greedy for ids in done.token_ids]
    assert len({*hot}) > len(hot) // 2


def test_checkpoints_are_sampled_one_after_another() -> None:
    from harness.engines.hf import HF

    where = scene()
    lazy = LazyEngine(
        lambda name: replace(CONF, slots=16).start(where.subject, where.stops, name),
        lambda name, under: CONF.able(where.subject, name, under),
    )
    todo = [
        replace(where.requests(cut, 1, temperature=0.0)[0], checkpoint=("", "rl")[i % 2])
        for i, cut in enumerate(where.cuts)
    ]
    found = sorted(lazy.sample(todo), key=lambda done: todo.index(done.request))
    lazy.close()
    same = HF(64, 4096).start(where.subject, where.stops, "").sample(todo)
    assert found != sorted(same, key=lambda done: todo.index(done.request))
    for name in ("", "rl"):
        alone = HF(64, 4096).start(where.subject, where.stops, name)
        ours = alone.sample([r for r in todo if r.checkpoint == name])
        assert [d for d in found if d.request.checkpoint == name] == sorted(
            ours, key=lambda done: todo.index(done.request)
        )


def test_a_prefix_that_is_too_long_is_named(small: CompletionEngine) -> None:
    (longer,) = scene().requests(scene().cuts[0], 1, max_length=len(scene().prompt) + 385)
    with pytest.raises(
        UserError, match=r"more exceed the \d+ that fit; lower it, or raise engine\."
    ):
        list(small.sample([longer]))


def test_copies_share_the_work_and_what_was_finished_survives_one(engine: CompletionEngine) -> None:
    """Also that closing gives all memory back, that of a killed one too, and another goes on."""
    where = scene()
    one = [r for cut in where.cuts[4:] for r in where.requests(cut, 50)]
    todo = [*one, *(replace(r, base=r.base[:-1], key=("other", *r.key)) for r in one)]
    doomed, members = started(slots=16, data_parallel=2), list[psutil.Process]()
    finished: list[Finished] = []

    def sampled() -> None:
        for done in doomed.sample(todo):
            finished.append(done)
            if not members and all(each.counts for each in doomed.completers):
                members.extend(family(doomed))
                members[0].send_signal(signal.SIGKILL)

    with pytest.raises(UserError, match=r"its process died .*; what is finished is kept") as caught:
        sampled()
    assert "\n" not in str(caught.value)
    assert 2 <= len(finished) < len(todo)
    doomed.close()
    assert members
    assert gone(members, 0)
    rest = [request for request in todo if request not in [done.request for done in finished]]
    assert sorted(d.request.key for d in engine.sample(rest)) == sorted(r.key for r in rest)


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


LINE = [
    sys.executable, "-m", "harness", "engine=vllm", "method=[resampling_plain]", "run=v",
    "problems.limit=2", "problems.reference=5", "engine.cpu_memory=1",
    "+engine.extra.enforce_eager=true",
]  # fmt: skip


def workers(run: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(run.pid).children(recursive=True)


def begun(run: subprocess.Popen[str], folder: Path) -> None:
    """Wait until rollouts of a trace's own are recorded."""
    while not list(folder.glob("rollouts/*-0-*/*.parquet")):
        assert run.poll() is None
        time.sleep(0.1)


def test_a_run_goes_on_after_its_engine_was_killed(tmp_path: Path) -> None:
    folder = tmp_path / "results/v"
    more = ["sampling.draws=400"]
    with subprocess.Popen([*LINE, *more], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as run:
        begun(run, folder)
        workers(run)[0].send_signal(signal.SIGKILL)
        _, said = run.communicate()
    assert run.returncode == 2
    (line,) = [line for line in said.splitlines() if "error" in line]
    assert "engine=vllm: its process died (killed by signal 9); what is finished is kept" in line
    before = recorded(folder)
    done = subprocess.run(
        [*LINE, "sampling.draws=50"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    after = recorded(folder)
    assert {str(row) for row in before} <= {str(row) for row in after}
    assert len({row[:4] for row in after}) == len(after)
    status = read_json(folder / "status/resampling_plain.json")
    assert status["state"] == "done"
    assert status["engine"]["cached_tokens"] > 0


def test_a_run_that_is_killed_leaves_nothing_running(tmp_path: Path) -> None:
    with subprocess.Popen(LINE, cwd=tmp_path, text=True, stderr=subprocess.DEVNULL) as run:
        while not (tmp_path / "results/v/traces.parquet").exists():
            assert run.poll() is None
            time.sleep(0.1)
        members = workers(run)
        run.send_signal(signal.SIGKILL)
    assert members
    assert gone(members, 30)
