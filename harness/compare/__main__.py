"""`python -m harness.compare A B …`: finished runs side by side."""

import sys
from collections.abc import Sequence
from pathlib import Path

from harness.cli.exits import ended
from harness.core import UserError
from harness.report.settings import configured
from harness.report.sides.board import board, otherwise, written
from harness.report.sides.board import table as claims_table
from harness.report.sides.page import render
from harness.report.sides.sides import differences, side, table
from harness.run.progress import console
from harness.store.load import Run, load
from harness.store.remote.hub import SCHEME

USAGE = """usage: python -m harness.compare RUN RUN … [out=FOLDER]
    Finished runs side by side, of other models, checkpoints or problems. Of two: every pair of
    detectors that both have, with its difference, and the claims. Of more: the claims, a column a
    run. RUN is a folder or hf://OWNER/NAME; pages are written into the last run, or into out."""


def main() -> None:
    """`python -m harness.compare RUN RUN …`."""
    ended(lambda: command(sys.argv[1:]))


def command(arguments: Sequence[str]) -> int:
    """Do what a command line says; raises UserError for one that makes no sense."""
    names = [one for one in arguments if not one.startswith("out=")]
    wanted = bool({"-h", "--help"} & set(arguments))
    if wanted or len(names) < 2:
        print(USAGE, file=sys.stdout if wanted else sys.stderr)
        return 0 if wanted else 2
    for name in names:
        if name.startswith("-") or ("=" in name and not Path(name).exists()):
            raise UserError(f"{name}: is neither a run nor out=FOLDER; see -h")
    out = next((one.removeprefix("out=") for one in arguments if one.startswith("out=")), "")
    if not out and names[-1].startswith(SCHEME):
        raise UserError(f"{names[-1]}: lies on the hub; say where pages belong, out=FOLDER")
    compare([load(name) for name in names], Path(out or names[-1]))
    return 0


def compare(runs: Sequence[Run], out: Path) -> None:
    """Show what runs say, and what differs between two."""
    if len(runs) == 2:
        first, second = (run.path for run in runs)
        sides = side(first), side(second)
        found = differences(*sides, configured(second, [])[0])
        page = render(sides, found, out)
        console.print(table(sides, found))
        console.print(f"page   {page}")
    if len(runs) > 2 or all((run.path / "claims.parquet").is_file() for run in runs):
        claims, other = board(runs), otherwise(runs)
        console.print(claims_table(claims))
        for name in other:
            print(f"{name}: was tested by other thresholds in some of the runs", file=sys.stderr)
        console.print(f"page   {written(claims, other, out)}")


if __name__ == "__main__":
    main()
