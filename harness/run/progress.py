"""Progress of long work: a bar with tokens a second and time left, plain lines elsewhere."""

import sys
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

console = Console(stderr=True)
QUIET = 30.0  # seconds between plain lines


class Meter:
    """Counts finished pieces of work and the tokens they took."""

    def __init__(self, name: str, bar: Progress | None) -> None:
        self.name, self.bar = name, bar
        self.total, self.done, self.tokens = 0, 0, 0
        self.arms = Counter[str]()  # tokens by arm
        self.start = self.spoken = time.monotonic()
        self.task: TaskID | None = bar.add_task(name, total=None, rate="") if bar else None

    @property
    def seconds(self) -> float:
        """Since the work began."""
        return time.monotonic() - self.start

    @property
    def rate(self) -> str:
        """Tokens a second so far, as text."""
        return f"{self.tokens / max(self.seconds, 1e-9):,.0f} tokens/s" if self.tokens else ""

    def expect(self, pieces: int) -> None:
        """So many more pieces are to come."""
        self.total += pieces
        if self.bar and self.task is not None:
            self.bar.update(self.task, total=self.total)

    def add(self, pieces: int, tokens: int = 0, arm: str = "") -> None:
        """So many pieces are done; tokens of rollouts are those of an arm."""
        self.arms[arm] += tokens
        self.done, self.tokens = self.done + pieces, self.tokens + tokens
        if self.bar and self.task is not None:
            self.bar.update(self.task, completed=self.done, rate=self.rate)
        elif time.monotonic() - self.spoken > QUIET:
            self.spoken = time.monotonic()
            left = self.seconds / self.done * (self.total - self.done)
            print(
                f"{self.name}: {self.done}/{self.total}  {self.rate}  {left:.0f} s left",
                file=sys.stderr,
            )


@contextmanager
def metered(name: str) -> Generator[Meter]:
    """A meter for one piece of long work, drawn as a bar on a terminal."""
    if not console.is_terminal:
        yield Meter(name, None)
        return
    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield Meter(name, bar)
