"""Two of vLLM's servers on a CPU behind one queue, beside each alone: `make bench-vllm`.

Each server computes on a core of its own and is asked for twice as much together as alone. The
client has a core of its own only where there are three: on two it takes its time from the servers.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from harness.engines.base import Request
from harness.engines.server import Server
from harness.models.model import Subject
from harness.organism.checkpoints import ROOT
from harness.organism.training.sampling import stops
from tests.benchmarks import test_organism_bench as organism_bench

pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="no vLLM: make bench-vllm")

subject, todo = organism_bench.subject, organism_bench.todo
DRAWS, SLOTS, WAIT = 20, 64, 300  # of a request; requests at once; seconds to a server's start
NOISE = {"seeds": False, "timeout": 600.0, "patience": 30.0, "extra": {}, "checkpoints": {}}


def served(core: int, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A server of the organism that computes on one core."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    options = {"model": ROOT / "base", "served-model-name": "organism", "host": "127.0.0.1",
               "port": port, "dtype": "float32"}  # fmt: skip
    command += [text for key, value in options.items() for text in (f"--{key}", str(value))]
    bound = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": str(core)}
    process = subprocess.Popen(command, env=os.environ | bound, stdout=log.open("wb"), stderr=2)
    return process, f"http://127.0.0.1:{port}/v1"


@pytest.fixture(scope="module")
def urls(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, ...]]:
    if request.config.getoption("benchmark_disable"):
        pytest.skip("measures only: make bench-vllm")
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        started = [served(core, folder / f"{core}.log") for core in range(2)]
        for process, _ in started:
            stack.callback(process.terminate)
        for process, url in started:
            until_open(process, int(url.split(":")[2].split("/")[0]))
        yield tuple(url for _, url in started)


def until_open(process: subprocess.Popen[bytes], port: int) -> None:
    start = time.monotonic()
    while time.monotonic() - start < WAIT:
        assert process.poll() is None, "the server ended; see its log"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(1)
        else:
            return
    pytest.fail(f"no server after {WAIT} s")


def rate(who: Subject, url: str | tuple[str, ...], todo: Sequence[Request]) -> float:
    """Tokens/s of the requests at some servers, behind a first one that warms them."""
    conf = Server(url=url, model="organism", key=None, slots=SLOTS, tokens=True, **NOISE)
    engine = conf.start(who, stops(), "")
    list(engine.sample([replace(todo[0], key=("warm",))]))
    begun = time.monotonic()
    tokens = sum(done.n_tokens for done in engine.sample(list(todo)))
    found = tokens / (time.monotonic() - begun)
    engine.close()
    return found


def test_two_servers_are_as_fast_as_both(
    urls: tuple[str, ...], subject: Subject, todo: list[Request]
) -> None:
    asked = [replace(each, draws=tuple(range(DRAWS))) for each in todo]
    twice = [replace(each, key=(*each.key, str(i))) for i in range(2) for each in asked]
    alone = [rate(subject, url, asked) for url in urls]
    both = rate(subject, urls, twice)
    share, cores = both / sum(alone), os.cpu_count() or 1
    print(f"\nalone {alone[0]:.0f} and {alone[1]:.0f} tokens/s, together {both:.0f}: {share:.2f}")
    assert share >= (0.9 if cores > 2 else 0.7)
