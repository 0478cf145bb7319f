"""`python -m harness.selftest`: every detector, or every claim, where the truth is known."""

import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from harness.cli.exits import ended
from harness.cli.hydra import arguments, hydra_session
from harness.cli.settings import Settings
from harness.core import UserError
from harness.report.format import decimal
from harness.run.progress import console
from harness.selftest.result import caption, table, tested
from harness.selftest.running import run_all
from harness.selftest.worlds import found_in, tell, worlds
from harness.selftest.worlds import table as worlds_table
from harness.store.files import write_frame

WORLDS = "+experiment=worlds"
USAGE = """usage: python -m harness.selftest [method=[a,b]] [KEY=VALUE …] [--config-dir DIR]
       python -m harness.selftest +experiment=worlds [+claim=[a,b]] [KEY=VALUE …]

Every detector on a model whose anchors are known, or every claim in the worlds where its answer is.
Exit code 1 if a bound is missed, or if a claim's verdict is not what is true."""


def main() -> None:
    """`python -m harness.selftest [KEY=VALUE …]`: exit code 1 if a bound is missed."""
    ended(lambda: run(sys.argv[1:]), "interrupted; the same command goes on")


def run(argv: Sequence[str]) -> int:
    """Run the detectors, measure them against the truth, show and keep what was found."""
    if {"-h", "--help"} & set(argv):
        print(USAGE)
        return 0
    if WORLDS in argv:
        return claims_in_worlds(argv)
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


def claims_in_worlds(argv: Sequence[str]) -> int:
    """Test every claim where its answer is known, show and keep what was found."""
    from harness.cli import checks as preflight

    args = arguments(argv)
    if wrong := next((o for o in args.overrides if o.partition("=")[0] in FIXED), None):
        raise UserError(f"{wrong}: every world has its own; choose +claim=[NAME,NAME]")
    with hydra_session(args.config_dir) as loader:
        models = loader.get_group_options("model")
    (asked,) = preflight.composed_jobs(argv).jobs
    each = worlds(asked.claims, models, asked.selftest.seeds)
    lines = [[*argv, *world.line(asked.folder.name)] for world in each]
    folders = [preflight.plan(line).jobs[0].folder for line in lines]
    for world in each:
        console.print(f"{world.name}, seed {world.seed}: {', '.join(world.claims)}")
    run_all(lines)
    whole = pl.concat(found_in(*pair) for pair in zip(each, folders, strict=True))
    console.print(worlds_table(whole, f"all parts in {_kept(whole, asked)}"))
    return tell(whole)


FIXED = ("model", "method", "validate", "+validate", "run", "problems")


def _kept(found: pl.DataFrame, asked: Settings) -> Path:
    """The folder in which the frame and its figure are kept."""
    from harness.report.plots.figures.truth import worlds as figure
    from harness.report.plots.saving import save
    from harness.report.plots.style import styled

    asked.folder.mkdir(parents=True, exist_ok=True)
    write_frame(asked.folder / "worlds.parquet", found)
    if found["low"].count():  # of fewer than ten problems nothing has an interval
        with styled():
            save(figure.figure(found), found, asked.folder / "plots" / "worlds", asked.report.dpi)
    return asked.folder


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
