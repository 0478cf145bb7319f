"""`python -m harness.selftest`: every detector on a model whose anchors are known."""

import sys
from collections.abc import Sequence

import polars as pl

from harness.cli.exits import ended
from harness.cli.hydra import arguments, hydra_session
from harness.core import UserError
from harness.report.format import decimal
from harness.run.progress import console
from harness.selftest.result import caption, table, tested


def main() -> None:
    """`python -m harness.selftest [KEY=VALUE …]`: exit code 1 if a bound is missed."""
    ended(lambda: run(sys.argv[1:]), "interrupted; the same command goes on")


def run(argv: Sequence[str]) -> int:
    """Run the detectors, measure them against the truth, show and keep what was found."""
    if {"-h", "--help"} & set(argv):
        print("usage: python -m harness.selftest [method=[a,b]] [KEY=VALUE …] [--config-dir DIR]")
        return 0
    from harness.cli import checks as preflight
    from harness.cli import jobs as launch  # imports torch: not needed to show help
    from harness.report.build import report
    from harness.run.job import job

    plan = preflight.plan([*_line(argv), *argv])
    (todo,) = plan.jobs
    launch.prepare(plan.jobs)
    job(todo.run)
    report(todo.folder, todo.agreement, todo.report, todo.claims)
    found = tested(todo)
    console.print(table(found, caption(todo)))
    missed = found.filter(~pl.col("kept"))
    for row in missed.iter_rows(named=True):
        measured = f"{row['method']}: {row['measure']} is {decimal(row['value'])}"
        print(f"missed: {measured}, below its bound of {row['bound']}", file=sys.stderr)
    return 1 if len(missed) else 0


def _line(argv: Sequence[str]) -> list[str]:
    """What the command line stands for: the experiment, and every detector unless it says which."""
    args = arguments(argv)
    if args.multirun:
        raise UserError("--multirun: a self-test is one job; write method=[a,b]")
    line = ["+experiment=selftest"]
    if any(override.startswith("method=") for override in args.overrides):
        return line
    with hydra_session(args.config_dir) as loader:
        return [*line, f"method=[{','.join(loader.get_group_options('method'))}]"]


if __name__ == "__main__":
    main()
