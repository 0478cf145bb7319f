"""`python -m tests.campaign [TEXTS]`: all that is tried on purpose, and what it comes to."""

import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from harness.text.segmentation import offsets, sentences
from tests.campaign import damage, lines

GOOD = {"named", "told", "made again", "refused", "tiles", "passed"}
ALPHABET = "ab .?!\n\r\t\u2028\u00a0é🙂\ufffd<>$\\\x00"


def damages(place: Path) -> Iterator[str]:
    """Every kind of file in six ways."""
    cases = [(kind, name) for kind in damage.KINDS for name in damage.DAMAGES]
    for kind, name, came in damage.campaign(place, 2, cases, seed=1):
        yield came if came in GOOD else f"{came} ({kind}, {name})"


def command_lines(place: Path) -> Iterator[str]:
    """Command lines that make no sense."""
    yield from (said for _, said in lines.outcomes(place, lines.LINES))


def servers(_: Path) -> Iterator[str]:
    """Modes of a hostile server: the tests beside this file, one a mode."""
    here = Path(__file__).with_name("test_server.py")
    found = Tally()
    pytest.main(["-q", "-p", "no:cacheprovider", "-o", "addopts=", str(here)], plugins=[found])
    yield from found.outcomes


class Tally:
    """What became of each test."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            self.outcomes.append(report.outcome if report.passed else report.nodeid)


def texts(n: int) -> Iterator[str]:
    """Random texts cut into sentences: spans tile the text, sentences its tokens."""
    rng = random.Random(0)
    for _ in range(n):
        text = "".join(rng.choices(ALPHABET, k=rng.randrange(80)))
        starts = sorted({0, *rng.choices(range(len(text) + 1), k=40)} - {len(text)})
        cut = sentences(text, starts, (0, len(text)), offsets)
        joined = all(a.stop == b.start for a, b in pairwise(cut))
        whole = "".join(s.text for s in cut) == text
        yield "tiles" if joined and whole else f"does not tile {text!r}"


def told(name: str, outcomes: Iterable[str]) -> bool:
    """A line of the table, and whether all was as it should be."""
    start, found = time.monotonic(), Counter(outcomes)
    counts = ", ".join(f"{n:,} {what}" for what, n in found.most_common())
    print(
        f"{name:<16} {found.total():>9,}  {time.monotonic() - start:6.0f} s  {counts}", flush=True
    )
    return set(found) <= GOOD


def main() -> None:
    """The table; exits 1 if anything was silent, unclear, late or a traceback."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        good = [
            told("damaged files", damages(Path(name, "runs"))),
            told("command lines", command_lines(Path(name, "lines"))),
            told("hostile servers", servers(Path(name))),
            told("fuzzed texts", texts(n)),
        ]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
