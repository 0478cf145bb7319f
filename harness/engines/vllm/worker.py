"""vLLM's process, and the only module that imports vLLM: requests in, completions out."""

import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from vllm import EngineArgs, LLMEngine, SamplingParams, TokensPrompt
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind

GRACE = 20.0  # seconds an engine has to end by itself
PAUSE = 1.0  # seconds between two looks at vLLM's counters
COUNTED = {
    "vllm:prompt_tokens": "prompt_tokens",
    "vllm:prefix_cache_hits": "cached_tokens",
    "vllm:num_preemptions": "preemptions",
}

Inbox = SimpleQueue[tuple[int, tuple[int, ...], dict[str, Any]] | None]


class Worker:
    """An engine between an inbox of requests and a pipe for what is finished."""

    def __init__(self, engine: LLMEngine, sampling: dict[str, Any], pipe: Connection) -> None:
        self.engine, self.sampling, self.pipe = engine, sampling, pipe
        self.counts: dict[str, int] = {}
        self.counted = 0.0

    def run(self, inbox: Inbox) -> None:
        """Work until the harness is gone, which None in the inbox means."""
        while True:
            idle = not self.engine.has_unfinished_requests()
            while idle or not inbox.empty():
                request = inbox.get()
                if request is None:
                    return
                self.add(*request)
                idle = False
            for output in self.engine.step():
                if output.finished:
                    found = [
                        (tuple(o.token_ids), o.finish_reason == "stop") for o in output.outputs
                    ]
                    self.count()
                    self.pipe.send((int(output.request_id), found, self.counts))

    def add(self, number: int, prefix: tuple[int, ...], how: dict[str, Any]) -> None:
        """Queue a request; on a CPU vLLM fails at one with a seed."""
        params = SamplingParams(
            **self.sampling,
            **how | ({"seed": None} if current_platform.is_cpu() else {}),
            detokenize=False,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        prompt = TokensPrompt(prompt_token_ids=list(prefix))
        self.engine.add_request(str(number), prompt, params)

    def count(self) -> None:
        """Look at the counters, unless that was a moment ago and more is to come."""
        now = time.monotonic()
        if now - self.counted > PAUSE or not self.engine.has_unfinished_requests():
            self.counted = now
            for metric in self.engine.get_metrics():
                if metric.name in COUNTED:
                    self.counts[COUNTED[metric.name]] = int(metric.value)


def receive(pipe: Connection, inbox: Inbox) -> None:
    """Fill the inbox; once the harness is gone, end the process group if it does not end itself."""
    try:
        while True:
            inbox.put(pipe.recv())
    except (EOFError, OSError):
        inbox.put(None)
        time.sleep(GRACE)
        os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Serve the pipe whose handle is the first argument."""
    pipe = Connection(int(sys.argv[1]))
    arguments, sampling = pipe.recv()
    inbox = Inbox()
    threading.Thread(target=receive, args=(pipe, inbox), daemon=True).start()
    engine = LLMEngine.from_engine_args(EngineArgs(**arguments))
    pipe.send(engine.model_config.max_model_len)
    Worker(engine, sampling, pipe).run(inbox)
    engine.engine_core.shutdown()
    os._exit(0)  # threads of its libraries would keep it for long


if __name__ == "__main__":
    main()
