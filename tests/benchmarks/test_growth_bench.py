"""How the time of each detector grows with the trace: SmolLM2, random tokens, one trace a length.

`pytest tests/benchmarks/test_growth_bench.py --benchmark-enable -o addopts="" -s`. Reading and
scoring of one trace; `resampling` draws 4 rollouts of 16 tokens at every boundary, so that its row
tells what the prefixes cost (rollouts to the end cost tokens that grow with the square by nature).
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from harness import Detector, Evidence, Problem, ReadText, Sentence, Suppress, Trace
from harness.core.config import target
from harness.engines.base import Request
from harness.engines.hf import HF
from harness.engines.stopping import Stops
from harness.evidence.gather import wants
from harness.evidence.passes import gathered
from harness.evidence.wants import answered
from harness.models.forward import read_text
from harness.models.masking import suppress
from harness.models.model import Subject
from harness.text.segmentation import offsets
from tests.benchmarks.smollm2 import smollm2

CONF = Path(__file__).parents[2] / "conf" / "method"
LENGTHS = (256, 512, 1024, 2048)
SENTENCE, PROMPT = 34, 32  # tokens: 60 sentences in 2,048
READERS = ("attention", "suppression", "mi", "rl_entropy_mean")
SECONDS: dict[str, dict[int, float]] = {}


def problem(number: int) -> Problem:
    return Problem(str(number), "q", "a", f"The total is {number}.", "made", "reference")


def trace_of(tokens: int) -> Trace:
    ids = tuple(np.random.default_rng(0).integers(1000, 40000, PROMPT + tokens).tolist())
    starts = range(0, tokens - SENTENCE + 1, SENTENCE)
    spans = tuple(Sentence("s", at, at + SENTENCE, None) for at in starts)
    return Trace(
        "t", problem(0), "m", "r", 0, ids[:PROMPT], ids[PROMPT:], "", spans, "a", True, "m", "stop"
    )


@pytest.fixture(scope="module")
def subject(request: pytest.FixtureRequest) -> Subject:
    if request.config.getoption("benchmark_disable"):
        pytest.skip("measures only: make bench")
    pytest.importorskip("gguf")
    return smollm2()


def detector(name: str) -> Detector:
    """As its yaml has it; the receiver heads, which are learnt across traces, are given."""
    node = OmegaConf.load(CONF / f"{name}.yaml")[name]
    if name == "attention":
        node.chosen = [[layer, layer % 9] for layer in range(5, 21)]
    return target(node, name)


def scored(subject: Subject, trace: Trace, judge: Detector) -> None:
    """Everything it wants of the trace, then its scores."""
    have = Evidence(1, "", tuple(problem(n) for n in range(1, 21)))
    while todo := [want for want in wants(judge, trace, have) if not answered(want, have)]:
        passes = [w for w in todo if not isinstance(w, ReadText | Suppress)]
        have = gathered(subject, trace, have, passes, (1.0, 1.0)) if passes else have
        texts = {w: read_text(subject, w) for w in todo if isinstance(w, ReadText)}
        hidden = {w: suppress(subject, trace, w) for w in todo if isinstance(w, Suppress)}
        have = replace(have, answers={**have.answers, **texts, **hidden})
    assert len(judge.score(trace, have).score) == len(trace.sentences)


def drawn(subject: Subject, trace: Trace) -> None:
    """Four short rollouts at every boundary."""
    stops = Stops(subject.tokenizer, subject.eos, offsets)
    base, engine = (*trace.prompt_ids, *trace.token_ids), HF(64, 8192).start(subject, stops, "")
    cuts = [PROMPT, *[PROMPT + s.stop for s in trace.sentences]]
    todo = [
        Request((str(c),), base, c, (), tuple(range(4)), c, "end", c + 16, 1.0, 1.0) for c in cuts
    ]
    assert len(list(engine.sample(todo))) == len(cuts)


def once(task: Callable[[], None]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


@pytest.mark.parametrize("name", [*READERS, "resampling"])
def test_growth(benchmark: Callable, subject: Subject, name: str) -> None:
    judge = detector(name)

    def task(tokens: int) -> None:
        trace = trace_of(tokens)
        drawn(subject, trace) if name == "resampling" else scored(subject, trace, judge)

    task(LENGTHS[0])  # what is made once
    last = LENGTHS[-1]
    SECONDS[name] = {n: min(once(lambda n=n: task(n)) for _ in range(2)) for n in LENGTHS[:-1]}
    SECONDS[name][last] = once(lambda: benchmark.pedantic(task, (last,), rounds=1))
    print(f"{name:>16} {row(SECONDS[name])}")


def row(seconds: dict[int, float]) -> str:
    """Seconds at each length and the exponent of the least-squares line through their logs."""
    slope = np.polyfit(np.log(list(seconds)), np.log(list(seconds.values())), 1)[0]
    return " ".join(f"{s:8.2f}" for s in seconds.values()) + f"   L^{slope:.2f}"


def test_no_detector_grows_with_the_cube() -> None:
    if not SECONDS:
        pytest.skip("needs the measurements of this file: make bench")
    print(f"{'tokens':>16} " + " ".join(f"{n:8}" for n in LENGTHS))
    for name, seconds in SECONDS.items():
        print(f"{name:>16} {row(seconds)}")
        assert seconds[LENGTHS[-1]] <= 8 * seconds[LENGTHS[-2]]
