"""Equality of answers by math-verify, in a process of its own with a time limit."""

import json
import logging
import signal
import sys
import threading
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

from harness.text.normalise import clean, comparable

CPU_SECONDS = 2.0


class _Worker:
    """math-verify in a process of its own, which the kernel ends when a request takes too long.

    Its own limits need the main thread and cannot stop one long multiplication. CPU time counts,
    so that a busy machine changes nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Popen[str] | None = None

    def ask(self, *request: str) -> Any:
        """The answer to a request, None if there is none or none in time."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._process = _started()
            print(json.dumps(request), file=self._process.stdin, flush=True)
            line = _line(self._process)
            if not line:
                self._process.communicate()
        return json.loads(line) if line else None


worker = _Worker()


def _line(process: Popen[str]) -> str:
    return process.stdout.readline() if process.stdout else ""


def _started() -> Popen[str]:
    command = [sys.executable, "-c", "from harness.text.math_verify import serve; serve()"]
    process = Popen(command, -1, None, PIPE, PIPE, DEVNULL, text=True, start_new_session=True)
    if not _line(process):
        raise RuntimeError("math-verify does not start; try: python -c 'import math_verify'")
    return process


def serve() -> None:
    """The loop of the process that answers: a request a line in, an answer a line out."""
    logging.disable()
    answers, sys.stdout = sys.stdout, sys.stderr  # the parser prints
    print(_parsed("1"), file=answers, flush=True)
    for line in sys.stdin:
        task, *texts = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # unhandled, it ends the process
        answer = _ordered(*texts) if task == "order" else _equal(*texts)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(answer), file=answers, flush=True)


def _parsed(text: str) -> Any:
    """The SymPy expression of LaTeX text, or None; plain-text parsing would take a part for all."""
    from math_verify import LatexExtractionConfig, parse

    found = parse(f"${text}$", [LatexExtractionConfig()], "no_fallback", parsing_timeout=0)
    return found[0] if found else None


def _ordered(text: str) -> str | None:
    """Evaluated LaTeX, if it means the same and would not change a second time."""
    ordered = _evaluated(text)
    stable = ordered and comparable(ordered) and _evaluated(ordered) == ordered
    return ordered if ordered and stable and _equal(text, ordered) else None


def _evaluated(text: str) -> str:
    from sympy import latex

    expression = _parsed(text)
    return "" if expression is None else clean(latex(expression.doit()))


def _equal(a: str, b: str) -> bool:
    """In either order, since math-verify treats the gold answer and the other differently."""
    from math_verify import verify

    x, y = _parsed(a), _parsed(b)
    return any(verify(p, q, timeout_seconds=None) for p, q in ((x, y), (y, x)))
