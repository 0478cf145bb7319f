"""The command line of a run: checked, handed to Hydra, reported on."""

import os
import sys
from importlib.metadata import version
from typing import Any

import hydra

from harness.cli.exits import ended
from harness.cli.hydra import CONF, arguments, one_line_errors


@hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")
def task(config: Any) -> None:
    """One job."""
    from harness.cli.jobs import attempt  # not needed to show help or to complete a word

    attempt(config)


def called(argv: list[str]) -> None:
    """Run a command line to its exit code."""
    os.environ["HYDRA_FULL_ERROR"] = "1"
    ended(lambda: run(argv), "interrupted; the same command, without overwrite, goes on")


def run(argv: list[str]) -> int:
    """Check, run all jobs, report; returns the exit code."""
    if "--version" in argv:
        print(f"anchor-harness {version('anchor-harness')}")
        return 0
    args = arguments(argv)
    if any((args.help, args.hydra_help, args.cfg, args.info, args.shell_completion)):
        # Hydra's parser dies on options between overrides.
        sys.argv[1:] = [*(a for a in argv if a not in args.overrides), *args.overrides]
        with one_line_errors():
            task()
        return 0
    from harness.cli import checks as preflight
    from harness.cli import jobs as launch  # not needed to show help or to complete a word

    plan = preflight.plan(argv)
    launch.prepare(plan.jobs)
    sys.argv[1:] = plan.arguments
    try:
        with one_line_errors():
            task()
    finally:
        launch.tidy(plan.jobs)
    return launch.finish(plan.jobs)
