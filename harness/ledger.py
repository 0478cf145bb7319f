"""The book of one detector: its scores, trace by trace, and its status."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from harness import schema
from harness.scores import Scored, matrix_frame
from harness.store import read_json, slug, write_frame, write_json
from harness.types import Trace

FLUSH = 10.0  # seconds of scores at risk


@dataclass(eq=False)
class Ledger:
    """Scores and status of one detector, written as they grow."""

    run: Path
    method: str
    option_hash: str
    frames: dict[str, pl.DataFrame]
    status: dict[str, Any]
    failures: dict[str, str] = field(default_factory=dict)
    written: float = field(default_factory=time.monotonic)

    def add(self, trace: Trace, scored: Scored, seconds: float) -> None:
        """Take a trace's scores; its matrix is on disk before them."""
        if scored.whole.matrix is not None:
            path = self.run / "matrices" / self.method / f"{slug(trace.id)}.parquet"
            write_frame(path, matrix_frame(trace, scored.whole.matrix))
        if np.isnan(scored.whole.score).all():
            undefined = self.status.setdefault("undefined", {})
            reason = scored.whole.reason or "no sentence has what its score needs"
            undefined[reason] = undefined.get(reason, 0) + 1
        self.frames[trace.id] = scored.frame
        self.count("seconds", seconds)

    def flush(self) -> None:
        """Write what was taken, if the last time is a while ago."""
        if time.monotonic() - self.written > FLUSH:
            self.write("partial")

    def count(self, what: str, more: int | float) -> None:
        """Add to a total of the status."""
        self.status[what] = self.status.get(what, 0) + more

    def write(self, state: str) -> None:
        """Scores first, then the status that speaks of them."""
        self.written = time.monotonic()
        empty = pl.DataFrame(schema=dict(schema.SCORES))
        scores = pl.concat([empty, *self.frames.values()], how="diagonal_relaxed")
        write_frame(file(self.run, self.method), scores)
        self.status |= {
            "method": self.method,
            "state": state,
            "option_hash": self.option_hash,
            "traces": len(self.frames),
            "failed_traces": len(self.failures),
            "failures": self.failures,
            "error": None,
        }
        write_json(status_file(self.run, self.method), self.status)


def ledger(run: Path, method: str, option_hash: str) -> Ledger:
    """The book as it stands; a new one where the detector's options have changed since."""
    old = read_json(status_file(run, method))
    path = file(run, method)
    if old.get("option_hash") != option_hash or not path.exists():
        return Ledger(run, method, option_hash, {}, {})
    scores = pl.read_parquet(path)
    frames = {str(key[0]): part for key, part in scores.group_by("trace_id", maintain_order=True)}
    return Ledger(run, method, option_hash, frames, old)


def fail(run: Path, method: str, error: str, *, by_user: bool) -> None:
    """Say in the status of a method that its job failed, why, and whether the user can mend it."""
    status: dict[str, Any] = {"traces": 0, "failed_traces": 0} | read_json(status_file(run, method))
    status |= {"method": method, "state": "failed", "error": error, "by_user": by_user}
    write_json(status_file(run, method), status)


def file(run: Path, method: str) -> Path:
    """Where the scores of a method lie."""
    return run / "scores" / f"{method}.parquet"


def status_file(run: Path, method: str) -> Path:
    """Where the status of a method lies."""
    return run / "status" / f"{method}.json"
