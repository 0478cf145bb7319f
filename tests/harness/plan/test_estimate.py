"""What a plan says a run will take, against what a run takes."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from rich.table import Table
from scipy import stats

from harness import UserError
from harness.cli.checks import plan as checked
from harness.cli.settings import Settings
from harness.engines.base import Finished, Request
from harness.engines.hf import HF
from harness.engines.hf.engine import HFEngine
from harness.models.memory import memory
from harness.models.model import Subject
from harness.plan import __main__ as plan
from harness.plan import estimate
from harness.plan.estimate import detectable, worked
from harness.plan.forecast import Forecast, forecast
from harness.plan.hours import times
from harness.run.job import job
from harness.store.reading import read_json

pytestmark = pytest.mark.slow

SMALL = ["problems.limit=8", "problems.reference=5", "sampling.draws=4", "sampling.chunk=3"]
DRAWING = ["resampling_plain", "forced_answer"]


def settings(results: Path, methods: list[str], *more: str) -> Settings:
    names = f"method=[{','.join(methods)}]"
    return checked([names, *SMALL, "run=r", f"results={results}", *more]).jobs[0]


def forecast_of(job: Settings) -> Forecast:
    return forecast(worked(job)[0])


class Counting:
    """The real engine, its requests and tokens counted."""

    def __init__(self, inner: HFEngine) -> None:
        self.inner, self.requests, self.tokens = inner, 0, 0
        self.counts: dict[str, int] = {}

    def close(self) -> None:
        self.inner.close()

    def sample(self, requests: Iterable[Request]) -> Iterator[Finished]:
        for done in self.inner.sample(requests):
            self.requests, self.tokens = self.requests + 1, self.tokens + done.n_tokens
            yield done


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose traces are written and nothing else."""
    results = tmp_path_factory.mktemp("planned")
    job(settings(results, ["gram_coverage"]).run)
    return results


def test_a_run_makes_the_planned_requests(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    todo = settings(results, DRAWING)
    planned = forecast_of(todo)
    assert planned.stored == 8
    engines: list[Counting] = []
    start = HF.start

    def counted(*arguments: object) -> Counting:
        engines.append(Counting(start(*arguments)))
        return engines[-1]

    monkeypatch.setattr(HF, "start", counted)
    job(todo.run)
    (engine,) = engines
    assert engine.requests == planned.whole.requests > 200
    assert engine.tokens == pytest.approx(planned.whole.written, rel=0.2)
    left = forecast_of(todo)
    assert left.whole.requests == left.whole.passes == 0


@pytest.mark.parametrize("method", ["attention", "suppression"])
def test_a_run_makes_the_planned_passes(results: Path, method: str) -> None:
    todo = settings(results, [method])
    planned = forecast_of(todo)
    job(todo.run)
    status = read_json(results / "r" / "status" / f"{method}.json")
    assert status["passes"] == planned.whole.passes > 0


def test_more_draws_count_only_what_they_add(results: Path) -> None:
    many = settings(results, ["resampling_plain"], "sampling.draws=9")
    found = forecast_of(many).whole
    boundaries = sum(len(t.sentences) + 1 for t in forecast_of(many).traces)
    # draws 4 and 5 complete the second chunk of three, 6 to 8 are the third
    assert (found.requests, found.rollouts) == (2 * boundaries, 5 * boundaries)


def test_a_shared_arm_is_counted_once(results: Path) -> None:
    more = ["sampling.draws=9"]
    alone = forecast_of(settings(results, ["resampling_plain"], *more))
    both = forecast_of(settings(results, ["resampling_plain", "resampling_kl"], *more))
    assert both.whole.rollouts == alone.whole.rollouts


def test_before_any_trace_is_written_lengths_are_assumed(tmp_path: Path) -> None:
    todo = settings(tmp_path, ["resampling_plain"], "plan.tokens=100", "plan.sentences=10")
    found = forecast_of(todo)
    assert found.stored == 0
    assert [len(t.sentences) for t in found.traces] == [10] * 8
    loads = found.loads
    # 4 attempts in chunks of 3; 8 traces of 11 boundaries, 10 tokens apart
    assert (loads["rollouts (trace)"].requests, loads["rollouts (trace)"].rollouts) == (16, 32)
    assert loads["rollouts (trace)"].written == 32 * 100
    rest = loads["rollouts (resample)"]
    assert (rest.requests, rest.rollouts) == (8 * 11 * 2, 8 * 11 * 4)
    assert rest.written == 8 * 4 * sum(range(0, 101, 10))
    # each chunk asks for its prefix; the longest, of each trace, holds all others
    prompt = rest.shared / 8 - 100
    assert rest.prefix == 8 * 2 * sum(prompt + cut for cut in range(0, 101, 10))
    before = [(100 - cut, prompt + cut) for cut in range(0, 101, 10)]
    assert rest.behind == 8 * 4 * sum(written * prefix for written, prefix in before)
    halves = sum(written * written / 2 for written, _ in before)
    assert rest.attended == pytest.approx(rest.behind + 8 * 4 * halves)
    assert found.loads["passes over the traces"].passes == 8
    assert os.listdir(tmp_path) == []


def test_a_plan_is_plain_in_a_pipe_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    plan.run(["method=resampling_plain,mi", *SMALL, "problems.limit=12", "--multirun"])
    out, err = capfd.readouterr()
    assert err == ""
    assert "\x1b" not in out
    rows = {words[0]: words for row in out.splitlines() if (words := row.split())}
    assert rows["work"][:3] == ["work", "requests", "rollouts"]
    assert {"together", "h100", "cpu", "disk", "weights", "cache", "detectable"} <= rows.keys()
    assert out.count("organism-organism") == 1
    assert os.listdir() == []


def test_what_hangs_on_rollouts_is_the_least_there_is(results: Path) -> None:
    """The bisection goes on where its ends differ, which no plan knows."""
    console = Console(file=StringIO(), width=200)
    estimate.show(settings(results, ["pivotal"]), console)
    text = console.file.getvalue()
    assert "together, at least" in text
    assert "at least    pivotal: what they draw" in text


def test_a_mistake_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["plan", "method=nix"])
    with pytest.raises(SystemExit) as ended:
        plan.main()
    out, err = capfd.readouterr()
    assert (ended.value.code, out, err.count("\n")) == (2, "", 1)
    monkeypatch.setattr("sys.argv", ["plan", "--help"])
    plan.main()
    assert "plan.calibrate=true" in capfd.readouterr().out


def test_speeds_can_be_measured(tmp_path: Path) -> None:
    more = ["plan.calibrate=true", "plan.seconds=0.5", "plan.tokens=9999"]
    work, conf = worked(settings(tmp_path, ["mi"], *more))
    assert conf.sampled_per_second
    assert conf.read_per_second
    assert 80 < work.length.tokens < 200
    assert 6 < work.length.sentences < 25
    todo = settings(tmp_path, ["mi"], *more, "plan.length=8")
    cut, conf = worked(todo)
    assert cut.length.tokens == 384  # sampling.max_tokens
    (row,) = rows(times(todo, conf, memory(cut.recorder.subject), forecast(cut).whole))
    assert row[:2] == ["this machine, measured", ""]
    assert os.listdir(tmp_path) == []


def rows(table: Table) -> list[list[str]]:
    return [list(map(str, row)) for row in zip(*(c.cells for c in table.columns), strict=True)]


def test_more_problems_are_taken_to_be_as_those_that_there_are(results: Path) -> None:
    many = forecast_of(settings(results, ["mi"], "problems.limit=11", "plan.tokens=999"))
    there, new = many.traces[: many.stored], many.traces[many.stored :]
    assert (len(there), len(new)) == (8, 3)
    tokens = np.mean([len(trace.token_ids) for trace in there])
    assert [len(trace.token_ids) for trace in new] == [round(tokens)] * 3


def test_what_stops_a_run_stops_no_plan(
    results: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    line = ["method=resampling_plain", "model=qwen-14b", "model.device=cuda", "plan.card=h100"]
    plan.run([*line, "problems.limit=3", f"results={results}", "run=r", "problems.path=no-such"])
    out, err = capfd.readouterr()
    assert err.startswith(f"the run itself would stop: run: {results}/r was made with another")
    assert err.count("\n") == 1
    assert "3 traces, 3 of assumed length" in out  # what the folder holds is another run's
    assert "a token for 4 characters" in out
    assert sum(line.startswith("h100 ") for line in out.splitlines()) == 1


def test_what_no_plan_can_do_without_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"plan\.configs can say what its config\.json says"):
        plan.run(["method=mi", "model=local", "model.path=nobody/nothing", "problems=organism"])


@pytest.mark.parametrize("n", [10, 30, 100])
def test_the_detectable_agreement_has_the_power_asked_for(n: int) -> None:
    value = detectable(n, 0.2, 0.95, 0.8)
    reach, shift = stats.t.ppf(0.975, n - 1), value / 0.2 * np.sqrt(n)
    power = stats.nct.sf(reach, n - 1, shift) + stats.nct.cdf(-reach, n - 1, shift)
    assert power == pytest.approx(0.8, abs=0.002)


def test_too_few_problems_detect_nothing(tmp_path: Path) -> None:
    todo = settings(tmp_path, ["mi"])
    found = forecast_of(todo)
    words = estimate.power(todo, found, 0.8)
    assert words == "nothing with 8 problems: agreement.min_problems_interval is 10"
    few = replace(todo, agreement=replace(todo.agreement, min_problems_interval=8))
    # rankings of 13 sentences agree by chance with variance 1 / 12
    value = detectable(8, (1 / 12) ** 0.5, 0.95, 0.8)
    assert f"Spearman of {value:.2f} with 8 problems" in estimate.power(few, found, 0.8)


def test_memory_is_that_of_the_weights_and_the_cache(subject: Subject) -> None:
    found = memory(subject)
    assert found.weights == sum(p.numel() * p.element_size() for p in subject.model.parameters())
    assert found.cache == 2 * 4 * 2 * 8 * 4  # keys and values: layers, heads, width, float32
