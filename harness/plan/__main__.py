"""`python -m harness.plan`: what a run will take, before it runs."""

import sys
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from harness.cli.exits import ended
from harness.cli.settings import Settings
from harness.core import UserError

USAGE = """usage: python -m harness.plan [KEY=VALUE ...] [--multirun], the line of a run

Requests, tokens, passes, memory and disk that the run will take, its hours on each card of a table
or on those of plan.card=h100 or 'plan.card=[h100,l40s]', and the agreement it can detect. Loads no
weights, unless plan.calibrate=true asks to measure the speeds here. Validations are in it where the
run asks for them, or the line: validate=[a,b]. What would stop the run itself is said and stops no
plan. What is assumed is below plan: see --cfg job of python -m harness."""


def main() -> None:
    """`python -m harness.plan [KEY=VALUE …]`; exit code 2 for a user's mistake."""
    ended(lambda: run(sys.argv[1:]))


def run(argv: Sequence[str]) -> None:
    """Print the plan of each run folder of the command line."""
    if {"-h", "--help"} & set(argv):
        print(USAGE)
        return
    jobs = composed(argv)
    from harness.plan.estimate import show  # imports torch: not before the command line is right

    for folder in dict.fromkeys(job.folder for job in jobs):
        job = together([job for job in jobs if job.folder == folder])
        if stops := objection(job):
            print(f"the run itself would stop: {stops}", file=sys.stderr)
        show(job, Console())


def composed(argv: Sequence[str]) -> Sequence[Settings]:
    """The jobs of a line, on which validations need no plus where the run has none of its own."""
    from harness.cli.checks import composed_jobs  # takes a second: not needed to show help

    chosen = [f"+{word}" if word.startswith("validate=") else word for word in argv]
    try:
        return composed_jobs(argv).jobs
    except UserError:
        if chosen == [*argv]:
            raise
    return composed_jobs(chosen).jobs


def objection(job: Settings) -> str:
    """Why the run would stop before it begins; empty if it would not."""
    from harness.cli.checks import check_alone

    try:
        check_alone(job)
    except UserError as error:
        return str(error)
    return ""


def together(jobs: Sequence[Settings]) -> Settings:
    """Jobs on one run folder as one with the detectors of all."""
    detectors = {n: d for job in jobs for n, d in job.run.detectors.items()}
    hashes = {n: h for job in jobs for n, h in job.run.hashes.items()}
    return replace(jobs[0], run=replace(jobs[0].run, detectors=detectors, hashes=hashes))


if __name__ == "__main__":
    main()
