"""Commands in processes of their own, forked from one that has imported what is slow to import."""

import os
import sys
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

PROCESSES = get_context("forkserver")
SLOW = [
    "harness.run.job", "harness.cli.main", "harness.cli.checks", "harness.engines.hf.engine",
    "harness.report.build", "harness.report.__main__", "matplotlib.backends.backend_svg",
    "transformers.models.llama.modeling_llama", "methods.attention", "methods.mi",
    "methods.resampling", "pydantic.dataclasses", "scipy.cluster.hierarchy",
]  # fmt: skip
PROCESSES.set_forkserver_preload(SLOW)


def started(target: Callable[..., None], *given: object, **named: object) -> BaseProcess:
    """A function in a process of its own."""
    process = PROCESSES.Process(target=target, args=given, kwargs=named)
    process.start()
    return process


def harness(arguments: Sequence[str], folder: Path) -> BaseProcess:
    """`python -m harness` in a folder; its stderr goes to the file `err` beside the folder."""
    return started(_harness, list(arguments), folder)


def err(folder: Path) -> Path:
    """What the last command of `harness` in this folder said."""
    return folder.with_name(f"{folder.name}.err")


def _harness(arguments: list[str], folder: Path) -> None:
    from harness.__main__ import main

    os.chdir(folder)
    with err(folder).open("w") as file:
        os.dup2(file.fileno(), 2)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    sys.argv = ["harness", *arguments]
    main()
