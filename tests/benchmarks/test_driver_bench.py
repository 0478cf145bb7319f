"""What our driver of vLLM costs, beside the same requests in one go: `make bench-vllm`.

Both compute on the same cores in a process of its own that has answered the requests before, so
that prefixes are cached; printed: tokens a second of each, and their ratio.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from harness.engines.base import Request
from harness.engines.vllm import VLLM, installed
from harness.engines.vllm.process import FIXED, Process, _how
from harness.models.model import Subject
from harness.organism.training.sampling import stops
from tests.benchmarks import test_organism_bench as organism_bench

pytestmark = pytest.mark.skipif(find_spec("vllm") is None, reason="no vLLM: make bench-vllm")

subject, todo = organism_bench.subject, organism_bench.todo
DRAWS, SLOTS, LEAST = 50, 256, 0.9  # of a request; rollouts at once; of vLLM's own speed
ALONE = """
import json, sys, time
from vllm import EngineArgs, LLMEngine, SamplingParams, TokensPrompt
from vllm.sampling_params import RequestOutputKind

given = json.load(open(sys.argv[1]))
engine = LLMEngine.from_engine_args(EngineArgs(**given["arguments"]))
for turn in range(2):
    begun, tokens = time.monotonic(), 0
    for i, (prefix, how) in enumerate(given["requests"]):
        params = SamplingParams(**given["sampling"], **how, detokenize=False,
                                output_kind=RequestOutputKind.FINAL_ONLY)
        engine.add_request(f"{turn}-{i}", TokensPrompt(prompt_token_ids=prefix), params)
    while engine.has_unfinished_requests():
        done = [out for out in engine.step() if out.finished]
        tokens += sum(len(one.token_ids) for out in done for one in out.outputs)
    seconds = time.monotonic() - begun
print("tokens/s", tokens / seconds, flush=True)
import os
os._exit(0)
"""


def test_the_driver_costs_little(
    subject: Subject,
    todo: list[Request],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if request.config.getoption("benchmark_disable"):
        pytest.skip("measures only: make bench-vllm")
    asked = [replace(each, draws=tuple(range(DRAWS))) for each in todo]
    made, sent = list[Process](), list[tuple[tuple[int, ...], dict[str, Any]]]()
    complete = Process.complete

    async def noted(self: Process, one: Request, prefix: Any, n: int, most: int, seed: int) -> Any:
        made.append(self)
        sent.append((prefix, _how(one) | {"n": n, "max_tokens": most}))
        return await complete(self, one, prefix, n, most, seed)

    monkeypatch.setattr(Process, "complete", noted)
    conf = VLLM((installed() or "",), SLOTS, None, 0.9, 2, 1, 1, None, None, False, False, None,
                None, None, {})  # fmt: skip
    engine = conf.start(subject, stops(), "")
    for _ in range(2):
        sent.clear()
        begun = time.monotonic()
        tokens = sum(done.n_tokens for done in engine.sample(list(asked)))
        ours = tokens / (time.monotonic() - begun)
    engine.close()
    given = {"arguments": made[0].arguments, "sampling": made[0].sampling, "requests": sent}
    path = tmp_path / "given.json"
    path.write_text(json.dumps(given))
    env = {**os.environ, **FIXED, **made[0].environment}
    found = subprocess.run(
        [sys.executable, "-c", ALONE, str(path)],
        check=True,
        env=env,
        capture_output=True,
        text=True,
    )
    line = next(line for line in found.stdout.splitlines() if line.startswith("tokens/s"))
    alone = float(line.split()[1])
    print(f"\nours {ours:.0f} tokens/s, vLLM alone {alone:.0f}: {ours / alone:.2f}")
    assert ours / alone > LEAST
