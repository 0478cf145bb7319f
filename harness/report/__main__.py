"""`python -m harness.report`: agreement, figures and page again, from what a run folder holds."""

import sys
from collections.abc import Sequence
from pathlib import Path

from harness.cli.exits import ended
from harness.report.build import report
from harness.report.settings import configured
from harness.report.summary import summary
from harness.run.progress import console


def main() -> None:
    """`python -m harness.report RUN_DIR [agreement.key=value …]`."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0].startswith("-"):
        print("usage: python -m harness.report RUN_DIR [agreement.KEY=VALUE …]", file=sys.stderr)
        sys.exit(0 if arguments[:1] in (["-h"], ["--help"]) else 2)
    ended(lambda: again(Path(arguments[0]), arguments[1:]))


def again(run: Path, overrides: Sequence[str]) -> None:
    """Report on a run with the settings it was made with, some of them changed."""
    report(run, *configured(run, overrides))
    console.print(summary(run))


if __name__ == "__main__":
    main()
