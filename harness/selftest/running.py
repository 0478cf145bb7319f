"""The runs of all worlds, as many at once as there are cores: the models are tiny."""

import os
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from harness.core import UserError


def run_all(lines: Sequence[Sequence[str]]) -> None:
    """Run each command line's job with what stands behind it, and report on it.

    On a GPU one after the other. Raises UserError as the jobs do, and where a process is killed.
    """
    import torch

    cores = os.cpu_count() or 1
    n = 1 if torch.cuda.is_available() else min(cores, len(lines))
    if n == 1:
        for line in lines:
            _run(line)
        return
    with ProcessPoolExecutor(n, get_context("spawn"), _alone, (max(1, cores // n),)) as pool:
        try:
            for _ in pool.map(_run, lines):
                pass
        except BrokenProcessPool:
            raise UserError(
                "a process of the self-test was killed; the same command goes on"
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _alone(threads: int) -> None:
    """Before a process's first run: its share of the cores, and no traceback at Ctrl-C."""
    import torch

    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _run(line: Sequence[str]) -> None:
    from harness.cli import checks as preflight
    from harness.cli import jobs as launch  # imports torch: not needed to show help
    from harness.report.build import report
    from harness.run.job import job

    (todo,) = preflight.plan(list(line)).jobs
    launch.prepare([todo])
    job(todo.run)
    launch.behind(todo)
    report(todo.folder, todo.agreement, todo.report, todo.claims)
