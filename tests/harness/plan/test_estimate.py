"""What a plan says a run will take, against what a run takes."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

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
from harness.run.job import job
from harness.store.reading import read_json

pytestmark = pytest.mark.slow

SMALL = ["problems.limit=8", "problems.reference=5", "sampling.draws=4", "sampling.chunk=3"]
DRAWING = ["resampling_plain", "forced_answer"]


def settings(results: Path, methods: list[str], *more: str) -> Settings:
    names = f"method=[{','.join(methods)}]"
    return checked([names, *SMALL, "run=r", f"results={results}", *more]).jobs[0]


def forecast_of(job: Settings) -> Forecast:
    return forecast(worked(job))


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
    assert planned.stored
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
    assert not found.stored
    assert [len(t.sentences) for t in found.traces] == [10] * 8
    loads = found.loads
    # 4 attempts in chunks of 3; 8 traces of 11 boundaries, 10 tokens apart
    assert (loads["rollouts (trace)"].requests, loads["rollouts (trace)"].rollouts) == (16, 32)
    assert loads["rollouts (trace)"].written == 32 * 100
    rest = loads["rollouts (resample)"]
    assert (rest.requests, rest.rollouts) == (8 * 11 * 2, 8 * 11 * 4)
    assert rest.written == 8 * 4 * sum(range(0, 101, 10))
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
    assert {"together", "time", "disk", "weights", "cache", "detectable"} <= rows.keys()
    assert out.count("organism-organism") == 1
    assert os.listdir() == []


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
    work = worked(settings(tmp_path, ["mi"], *more))
    conf = work.conf
    assert conf.sampled_per_second != 5000
    assert conf.read_per_second != 20000
    assert 80 < conf.tokens < 200
    assert 6 < conf.sentences < 25
    cut = worked(settings(tmp_path, ["mi"], *more, "plan.length=8")).conf
    assert cut.tokens == 9999
    assert os.listdir(tmp_path) == []


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
