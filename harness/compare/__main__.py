"""`python -m harness.compare A B`: two finished runs side by side."""

import sys
from pathlib import Path

from harness.cli.exits import ended
from harness.report.settings import configured
from harness.report.sides.page import render
from harness.report.sides.sides import differences, side, table
from harness.run.progress import console

USAGE = "usage: python -m harness.compare RUN_DIR RUN_DIR"


def main() -> None:
    """`python -m harness.compare RUN_DIR RUN_DIR`."""
    arguments = sys.argv[1:]
    if len(arguments) != 2 or arguments[0].startswith("-"):
        print(USAGE, file=sys.stderr)
        sys.exit(0 if arguments[:1] in (["-h"], ["--help"]) else 2)
    ended(lambda: compare(*map(Path, arguments)))


def compare(first: Path, second: Path) -> None:
    """Show what both runs say, and what differs between them."""
    sides = side(first), side(second)
    found = differences(*sides, configured(second, [])[0])
    page = render(sides, found)
    console.print(table(sides, found))
    console.print(f"page   {page}")


if __name__ == "__main__":
    main()
