"""`python -m harness.validate`: interventions that test what a run's methods say."""

import sys
from collections.abc import Sequence

from harness.cli.exits import ended

USAGE = """usage: python -m harness.validate RUN_DIR [validate=[NAME,…]] [KEY=VALUE …]

Tests on the traces of a finished run what its methods say of their sentences. Without names it runs
all that the run's model allows. The model is that of the run by its name in conf/model; what it
needs beyond that (model.path, model.checkpoints, engine) stands on the line, as for the run.
What is found lies in RUN_DIR/validate, and the page is made again."""


def main() -> None:
    """`python -m harness.validate RUN_DIR …`; exit code 2 for a user's mistake."""
    ended(lambda: run(sys.argv[1:]), "interrupted; the same command goes on")


def run(argv: Sequence[str]) -> int:
    """Validate, report, print what was found; returns the exit code."""
    if not argv or {"-h", "--help"} & set(argv):
        print(USAGE, file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 2
    from harness.cli.validation import validation  # takes a second: not needed to show help

    settings = validation(argv)
    from harness.interventions.validation.job import validate  # imports torch
    from harness.interventions.validation.table import show
    from harness.report.build import report
    from harness.report.settings import configured
    from harness.run.progress import console

    outcomes = validate(settings)
    report(settings.folder, *configured(settings.folder, []))
    show(outcomes, console)
    failed = [outcome for outcome in outcomes if outcome.failed]
    return 0 if not failed else 2 if all(outcome.by_user for outcome in failed) else 1


if __name__ == "__main__":
    main()
