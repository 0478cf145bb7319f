"""`python -m tests.campaign [PART[=N] …] [keep=FOLDER]`: what is tried on purpose, and the outcome.

All parts, or those named, each so large or of size N. With keep=FOLDER the outcomes of kills are
kept there as they come, and the same command goes on behind them.
"""

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.core import UserError
from tests.campaign import damage, kills, lines, texts
from tests.campaign.page import opening as pages

GOOD = {"named", "told", "made again", "refused", "passed", kills.GOOD, texts.GOOD, pages.GOOD}
TELL = 30.0  # seconds between lines of progress


def killed(place: Path, n: int, kept: Path | None) -> Iterator[str]:
    """Kills at random moments, less those whose outcomes are kept."""
    rows = kept.read_text().splitlines() if kept and kept.exists() else []
    before = [(kind, said) for kind, _, said in (row.partition("\t") for row in rows)]
    yield from (said for _, said in before)
    for kind, said in kills.campaign(place, n, 1, Counter(kind for kind, _ in before)):
        if kept:
            with kept.open("a") as file:
                file.write(f"{kind}\t{' '.join(said.split())}\n")
        yield said


def damages(place: Path, n: int, _: Path | None) -> Iterator[str]:
    """Every kind of file in every way, n times."""
    cases = [(kind, name) for kind in damage.KINDS for name in damage.DAMAGES] * n
    for kind, name, came in damage.campaign(place, 2, cases, seed=1):
        yield came if came in GOOD else f"{came} ({kind}, {name})"


def command_lines(place: Path, n: int, _: Path | None) -> Iterator[str]:
    """Command lines that make no sense."""
    yield from (said for _, said in lines.outcomes(place, lines.LINES[:n]))


def servers(_place: Path, n: int, _: Path | None) -> Iterator[str]:
    """Modes of a hostile server: the tests beside this file, one a mode; n times."""
    here = Path(__file__).with_name("test_server.py")
    for _ in range(n):
        found = Tally()
        options = ["-p", "no:cacheprovider", "-p", "no:terminal", "-o", "addopts="]
        pytest.main([*options, str(here)], [found])
        yield from found.outcomes


class Tally:
    """What became of each test."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            self.outcomes.append(report.outcome if report.passed else report.nodeid)


def fuzzed(_place: Path, n: int, _: Path | None) -> Iterator[str]:
    """Random texts under every tokenizer."""
    yield from texts.campaign(n, seed=0)


def opened(place: Path, n: int, _: Path | None) -> Iterator[str]:
    """Hostile texts on a page in Chromium."""
    try:
        yield from pages.campaign(place, n)
    except UserError as missing:
        yield f"not run: {missing}"


@dataclass(frozen=True)
class Part:
    """Something that is tried so many times."""

    name: str
    size: int
    run: Callable[[Path, int, Path | None], Iterator[str]]


PARTS = {
    "kills": Part("kills", 1000, killed),
    "damage": Part("damaged files", 1, damages),
    "lines": Part("command lines", len(lines.LINES), command_lines),
    "servers": Part("hostile servers", 1, servers),
    "texts": Part("fuzzed texts", 1_000_000, fuzzed),
    "pages": Part("hostile pages", 100, opened),
}


def told(part: Part, outcomes: Iterable[str]) -> bool:
    """A line of the table, and whether all was as it should be."""
    start = spoken = time.monotonic()
    found = Counter[str]()
    for outcome in outcomes:
        found[outcome] += 1
        if time.monotonic() - spoken > TELL:
            spoken = time.monotonic()
            print(f"  {part.name}: {found.total():,} in {spoken - start:.0f} s", file=sys.stderr)
    counts = ", ".join(f"{n:,} {what}" for what, n in found.most_common())
    seconds = time.monotonic() - start
    print(f"{part.name:<16} {found.total():>9,}  {seconds:6.0f} s  {counts}", flush=True)
    return bool(found) and set(found) <= GOOD


def asked(arguments: Iterable[str]) -> tuple[dict[str, int], Path | None]:
    """The parts to run with their sizes, and where outcomes are kept."""
    given = dict(argument.partition("=")[::2] for argument in arguments)
    keep = given.pop("keep", "")
    if unknown := set(given) - set(PARTS):
        sys.exit(f"{min(unknown)}: no part; there are {', '.join(PARTS)}")
    if wrong := next((n for n in given.values() if n and not n.isdecimal()), None):
        sys.exit(f"{wrong}: no number")
    sizes = {name: int(n or PARTS[name].size) for name, n in given.items()}
    return sizes or {name: part.size for name, part in PARTS.items()}, Path(keep) if keep else None


def main() -> None:
    """The table; exits 1 if anything was silent, unclear, late, lost or a traceback."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sizes, keep = asked(sys.argv[1:])
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    good = list[bool]()
    for name, size in sizes.items():
        with tempfile.TemporaryDirectory() as folder:
            outcomes = PARTS[name].run(Path(folder, "runs"), size, keep and keep / f"{name}.tsv")
            good.append(told(PARTS[name], outcomes))
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
