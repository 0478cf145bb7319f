"""What the page's script reads: chunks of JSON, deflated, in base64, one a line."""

import zlib
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from harness.store.files import write_bytes

PAGE = 16_000_000  # characters of chunks inside the page: with figures and styles below 20 MB
FILE = 4_000_000  # characters of a file beside it, read when a trace in it is opened

Place = tuple[int, int]


@dataclass(eq=False)
class Payload:
    """Chunks in the page, and in files beside it once `room` characters of the page are used."""

    room: int = PAGE
    lines: list[str] = field(default_factory=list)
    files: list[list[str]] = field(default_factory=list)
    filled: int = 0

    def keep(self, value: Any) -> Place:
        """Keep a value inside the page, whatever room is left; returns its place."""
        return self._inside(packed(value))

    def add(self, value: Any) -> Place:
        """Keep a value; returns its file (0 = the page, 1 = the first beside it) and line."""
        line = packed(value)
        if len(line) <= self.room:
            return self._inside(line)
        if not self.files or self.filled + len(line) > FILE:
            self.files.append([])
            self.filled = 0
        self.filled += len(line)
        self.files[-1].append(line)
        return len(self.files), len(self.files[-1]) - 1

    def _inside(self, line: str) -> Place:
        self.room -= len(line)
        self.lines.append(line)
        return 0, len(self.lines) - 1

    def write(self, run: Path) -> None:
        """Write the files beside the page, and remove those of an earlier one."""
        wanted = [run / f"report-data-{number}.js" for number in range(1, len(self.files) + 1)]
        for path in set(run.glob("report-data-*.js")) - set(wanted):
            path.unlink()
        for number, (path, lines) in enumerate(zip(wanted, self.files, strict=True), 1):
            write_bytes(path, f"kept({number}, {orjson.dumps(lines).decode()});\n".encode())


def packed(value: Any) -> str:
    """JSON, deflated, in base64."""
    return b64encode(zlib.compress(orjson.dumps(value), 6)).decode("ascii")


def clean(text: pl.Expr) -> pl.Expr:
    """Text without control characters, each replaced."""
    return text.str.replace_all(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "\ufffd")


def short(values: pl.Expr, digits: int = 3) -> pl.Expr:
    """Numbers with so many significant digits: what the eye can use, in few characters."""
    return values.round_sig_figs(digits)
