"""The same rollouts by vLLM on a CPU, by our engine, and by `generate`: `make bench-vllm`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec

import pytest

from harness.engines.base import Engine, Request
from harness.engines.completions import CompletionEngine
from harness.engines.hf import HF
from harness.engines.stopping import Stops
from harness.engines.vllm import VLLM, installed
from harness.models.model import Subject
from harness.organism.training.sampling import stops
from tests.benchmarks import test_organism_bench as organism_bench
from tests.benchmarks import test_sampler_bench as smollm2_bench

pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="no vLLM: make bench-vllm")

smollm2, subject, todo = smollm2_bench.scene, organism_bench.subject, organism_bench.todo


def drawn(engine: Engine, todo: list[Request]) -> int:
    """Tokens written."""
    return sum(done.n_tokens for done in engine.sample(todo))


@dataclass
class Case:
    """Rollouts, the engines that draw them, and `generate` on the same model."""

    subject: Subject
    stops: Stops
    slots: int
    todo: list[Request]
    generate: Callable[[], int]

    def vllm(self) -> CompletionEngine:
        conf = VLLM(
            (installed() or "",),
            self.slots,
            None,
            0.9,
            2,
            1,
            1,
            None,
            None,
            False,
            False,
            None,
            None,
            None,
            {},
        )
        return conf.start(self.subject, self.stops, "")

    def ours(self) -> int:
        return drawn(HF(self.slots, 4096).start(self.subject, self.stops, ""), self.todo)


@pytest.fixture(scope="module", params=["organism", "smollm2"])
def case(request: pytest.FixtureRequest) -> Case:
    if request.param == "organism":
        who, wanted = request.getfixturevalue("subject"), request.getfixturevalue("todo")
        slow = partial(organism_bench.generate, who, wanted[:5])
        return Case(who, stops(), 512, wanted, slow)
    scene = request.getfixturevalue("smollm2")
    slow = partial(smollm2_bench.generate, replace(scene, todo=scene.todo[1:2]))
    return Case(scene.subject, scene.stops, 64, scene.todo[1::3], slow)


@pytest.fixture(scope="module")
def running(case: Case) -> Iterator[CompletionEngine]:
    """vLLM after its start, which is told apart."""
    engine = case.vllm()
    list(
        engine.sample([replace(case.todo[0], draws=(0,), max_length=len(case.todo[0].prefix) + 2)])
    )
    yield engine
    print({"counts": dict(engine.counts)})
    engine.close()


RATES: dict[str, float] = {}


@pytest.mark.parametrize("way", ["ours", "generate", "vllm"])
def test_tokens_per_second(
    way: str, case: Case, request: pytest.FixtureRequest, benchmark: object
) -> None:
    if way == "vllm":
        work = partial(drawn, request.getfixturevalue("running"), case.todo)
    else:
        work = getattr(case, way)
    tokens = benchmark.pedantic(work, rounds=1, iterations=1)
    name = f"{case.slots} rows, {way}"
    RATES[name] = benchmark.extra_info["tokens_per_second"] = tokens / benchmark.stats.stats.mean


def test_ratios() -> None:
    if len(RATES) < 6:
        pytest.skip("needs the measurements of this file: make bench-vllm")
    print({way: f"{rate:.0f} tokens/s" for way, rate in RATES.items()})
    for rows in (512, 64):
        assert RATES[f"{rows} rows, vllm"] >= RATES[f"{rows} rows, generate"]
