"""`python -m harness.dynamics`: what changes over a series of checkpoints."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext

from harness.cli.exits import ended
from harness.core import UserError

USAGE = """usage: python -m harness.dynamics [KEY=VALUE ...], the line of a run

Follows model.series, checkpoint by checkpoint: each writes traces of its own and reads them and
those of the first one. Results in dynamics.parquet of the run, a figure and a section of its page.
The same command goes on where it stopped. Exit code 1 if a checkpoint was left out."""


def main() -> None:
    """`python -m harness.dynamics [KEY=VALUE …]`: exit code 1 if a checkpoint was left out."""
    ended(lambda: run(sys.argv[1:]), "interrupted; the same command goes on")


def run(argv: Sequence[str]) -> int:
    """Follow the series of a command line, show and keep what was found."""
    if {"-h", "--help"} & set(argv):
        print(USAGE)
        return 0
    from harness.cli import checks as preflight  # takes a second: not needed to show help

    found = preflight.composed_jobs(argv)
    if found.multirun:
        raise UserError("--multirun: dynamics is one job; the checkpoints stand in model.series")
    (todo,) = found.jobs
    if todo.overwrite:
        raise UserError("overwrite: dynamics adds to a run and replaces none; leave it out")
    # Imports torch and matplotlib, which a user's mistake need not wait for.
    from harness.report.build import report
    from harness.report.dynamics import draw, table
    from harness.run.progress import console
    from harness.series.job import follow

    with todo.mirror.kept(todo.folder) if todo.mirror else nullcontext():
        failed = follow(todo.run, todo.dynamics, todo.agreement)
        if (todo.folder / "traces.parquet").exists():
            report(todo.folder, todo.agreement, todo.report, todo.claims)
        else:
            draw(todo.folder, todo.report)
    console.print(table(todo.folder))
    for name, why in failed.items():
        print(f"left out: {name}: {why}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    main()
