"""The harness' side of vLLM's process: requests go in by a pipe, completions come back."""

import asyncio
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from harness.core import UserError
from harness.engines.base import Request
from harness.engines.completions import KEPT, Completion

GRACE = 30.0  # seconds it has to end by itself
FIXED = {
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
    # A fork would hold our pipe open after its parent was killed.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
}


class Process:
    """vLLM in a process group of its own, which ends when this process ends, however it does.

    It starts with the first request, whose seed is the engine's too: vLLM takes none with requests
    on a CPU.
    """

    def __init__(
        self, arguments: dict[str, Any], environment: dict[str, str], sampling: dict[str, Any]
    ) -> None:
        self.arguments, self.environment, self.sampling = arguments, environment, sampling
        self.counts: Mapping[str, int] = {}
        self.started: asyncio.Future[int] | None = None  # tokens of prompt and rollout that fit
        self.process: subprocess.Popen[bytes] | None = None
        self.pipe, self.theirs = Pipe()
        self.log = Path(tempfile.gettempdir(), f"harness-vllm-{uuid.uuid4().hex}.log")
        self.numbers = count()
        self.waiting: dict[int, asyncio.Future[list[Completion]]] = {}
        self.failed: UserError | None = None

    async def complete(
        self, request: Request, prefix: tuple[int, ...], n: int, most: int, seed: int
    ) -> list[Completion]:
        """Continuations in the order of their noise; raises UserError where vLLM fails."""
        loop = asyncio.get_running_loop()
        if self.started is None:
            self.started = loop.create_future()
            self._start(seed)
            loop.add_reader(self.pipe.fileno(), self._receive)
        context = await asyncio.shield(self.started)
        if self.failed:
            raise self.failed
        if len(prefix) + most > context:
            raise UserError(
                f"sampling.max_tokens: a prefix of {len(prefix)} tokens and {most} more exceed the "
                f"{context} that fit; lower it, or raise engine.max_length or engine.memory"
            )
        number, future = next(self.numbers), loop.create_future()
        self.waiting[number] = future
        with suppress(BrokenPipeError):  # the reader learns of its death
            amount = {"n": n, "max_tokens": most, "seed": seed}
            self.pipe.send((number, prefix, _how(request) | amount))
        return await future

    async def close(self) -> None:
        """End the process and wait until its memory is free."""
        if self.process is not None:
            asyncio.get_running_loop().remove_reader(self.pipe.fileno())
            self.pipe.close()
            self._ended()
        self.log.unlink(missing_ok=True)

    def _start(self, seed: int) -> None:
        """Start it; it sends a message when it can be asked, so that several start at once."""
        handle = self.theirs.fileno()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "harness.engines.vllm.worker", str(handle)],
                env={**os.environ, **FIXED, **self.environment},
                pass_fds=[handle],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # an interrupt at the terminal is not for it
            )
        self.theirs.close()
        with suppress(BrokenPipeError):  # the reader learns of its death
            self.pipe.send((self.arguments | {"seed": seed % 2**32}, self.sampling))

    def _receive(self) -> None:
        """Take what it sends: first the tokens that fit, then finished requests, or its end."""
        assert self.started is not None
        try:
            message = self.pipe.recv()
        except (EOFError, OSError):
            self._fail()
            return
        if not self.started.done():
            self.started.set_result(message)
            return
        number, found, self.counts = message
        future = self.waiting.pop(number)
        if not future.done():
            future.set_result([Completion(ids, reason == "stop") for ids, reason in found])

    def _fail(self) -> None:
        """Fail all who wait, with vLLM's reason, that it does not start or has died."""
        asyncio.get_running_loop().remove_reader(self.pipe.fileno())
        assert self.started is not None
        lost: list[asyncio.Future[Any]] = [
            future for future in self.waiting.values() if not future.done()
        ]
        if self.started.done():
            self.failed = UserError(f"engine=vllm: its process died ({self._reason()}); {KEPT}")
        else:
            self.failed = UserError(f"engine=vllm: it does not start ({self._reason()})")
            lost.append(self.started)
        for future in lost:
            future.set_exception(self.failed)

    def _ended(self) -> int:
        """Its exit code, once all of its group is gone: a killed one would leave vLLM's workers."""
        assert self.process is not None
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()

    def _reason(self) -> str:
        """The last error it logged that names a cause, or how it ended."""
        code = self._ended()
        log = self.log.read_text(errors="replace")
        found = re.finditer(r"\b(?:\w+Error|\w+Exception): (?!.*root cause)", log)
        starts = [match.start() for match in found]
        ended = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        return f"{' '.join(log[starts[-1] :].split()):.300}" if starts else ended


def _how(request: Request) -> dict[str, Any]:
    """Arguments of vLLM's SamplingParams that say how tokens are drawn."""
    how: dict[str, Any] = {"temperature": request.temperature, "top_p": request.top_p}
    if request.forbidden:
        how["logit_bias"] = dict.fromkeys(request.forbidden, -math.inf)
    return how
