"""`python -m harness.plan`: what a run will take, before it runs."""

import sys
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from harness.cli.exits import ended
from harness.cli.settings import Settings

USAGE = """usage: python -m harness.plan [KEY=VALUE ...] [--multirun], the line of a run

Requests, tokens, passes, hours, memory and disk that the run will take, and the agreement it can
detect. Loads no weights, unless plan.calibrate=true asks to measure the speeds. What it assumes
is plan.tokens, plan.sentences, plan.sampled_per_second, ...: see --cfg job of python -m harness."""


def main() -> None:
    """`python -m harness.plan [KEY=VALUE …]`; exit code 2 for a user's mistake."""
    ended(lambda: run(sys.argv[1:]))


def run(argv: Sequence[str]) -> None:
    """Print the plan of each run folder of the command line."""
    if {"-h", "--help"} & set(argv):
        print(USAGE)
        return
    from harness.cli import checks as preflight  # takes a second: not needed to show help

    jobs = preflight.plan(argv).jobs
    from harness.plan.estimate import show  # imports torch: not before the command line is right

    for folder in dict.fromkeys(job.folder for job in jobs):
        show(together([job for job in jobs if job.folder == folder]), Console())


def together(jobs: Sequence[Settings]) -> Settings:
    """Jobs on one run folder as one with the detectors of all."""
    detectors = {n: d for job in jobs for n, d in job.run.detectors.items()}
    hashes = {n: h for job in jobs for n, h in job.run.hashes.items()}
    return replace(jobs[0], run=replace(jobs[0].run, detectors=detectors, hashes=hashes))


if __name__ == "__main__":
    main()
