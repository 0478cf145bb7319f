"""The scores of one detector, trace by trace, and its status, as files that grow."""

import sys
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from harness.core import SentenceScores, Trace, UserError
from harness.store import schema
from harness.store.files import slug, write_frame, write_json
from harness.store.leases import lock
from harness.store.reading import read_frame, read_json
from harness.store.status import file, kept, lacking, status_file

FLUSH = 10.0  # seconds of scores at risk
TOTALS = ("seconds", "sampling_seconds", "tokens", "passes")


@dataclass(frozen=True, eq=False)
class Scored:
    """What a detector makes of a trace: `frame` is its rows of scores/<method>.parquet."""

    frame: pl.DataFrame
    whole: SentenceScores


@dataclass(eq=False)
class ScoreFile:
    """Scores and status of one detector, written as they grow.

    Any number of processes may write them: each adds what it has to what lies there, and of two
    scores of a trace the first is kept.
    """

    run: Path
    method: str
    option_hash: str
    frames: dict[str, pl.DataFrame]
    status: dict[str, Any]
    failures: dict[str, str] = field(default_factory=dict)
    written: float = field(default_factory=time.monotonic)
    fresh: set[str] = field(default_factory=set)  # traces scored since
    totals: dict[str, float] = field(default_factory=dict)  # counted since
    reasons: Counter[str] = field(default_factory=Counter)
    seen: tuple[int, int] | None = None  # the file as it was last read or written
    replaces: str | None = None  # option hash of older scores that the first ones replace
    stale: tuple[int, int] | None = None  # the file that they lie in

    def add(self, trace: Trace, scored: Scored, seconds: float) -> None:
        """Take a trace's scores; its matrix and what it has by token are on disk before them."""
        name = f"{slug(trace.id)}.parquet"
        if scored.whole.matrix is not None:
            path = self.run / "matrices" / self.method / name
            write_frame(path, matrix_frame(trace, scored.whole.matrix))
        if scored.whole.tokens:
            path = self.run / "tokens" / self.method / name
            write_frame(path, token_frame(trace, scored.whole.tokens))
        if np.isnan(scored.whole.score).all():
            self.reasons[scored.whole.reason or "no sentence has what its score needs"] += 1
        self.frames[trace.id] = scored.frame
        self.fresh.add(trace.id)
        self.count("seconds", seconds)

    @property
    def due(self) -> bool:
        """Whether there are new scores and the last time that some were written is a while ago."""
        return bool(self.fresh) and time.monotonic() - self.written > FLUSH

    def count(self, what: str, more: int | float) -> None:
        """Add to a total of the status."""
        self.totals[what] = self.totals.get(what, 0) + more

    def catch_up(self) -> None:
        """Take over what other processes have written since."""
        if _stamp(file(self.run, self.method)) != self.seen:
            with lock(self.run, f"scores/{self.method}"):
                self.read()

    def read(self) -> dict[str, Any]:
        """The status that lies there, and its scores into the frames; empty if of older options.

        To be called with the lock. Raises UserError if another process has changed the options.
        """
        path, status = file(self.run, self.method), read_json(status_file(self.run, self.method))
        if not path.exists() or _stamp(path) == self.stale:
            return {}
        if self.replaces not in (None, self.option_hash) and (
            status.get("option_hash") == self.replaces
        ):
            return {}
        if status.get("option_hash") != self.option_hash:
            raise UserError(
                f"method.{self.method}: another process runs it in {self.run} with other options; "
                "choose another run, or wait for it"
            )
        if _stamp(path) != self.seen:
            scores, self.seen = read_frame(path, schema.SCORES), _stamp(path)
            by_trace = scores.group_by("trace_id", maintain_order=True)
            self.frames |= {str(key[0]): part for key, part in by_trace}
        return status

    def begin(self, rollouts: int) -> None:
        """Say in the status that the method is at work, in a run of so many rollouts in the end."""
        with lock(self.run, f"scores/{self.method}"):
            path = status_file(self.run, self.method)
            begun = {"method": self.method, "state": "running", "rollouts": rollouts}
            write_json(path, read_json(path) | self.status | begun)

    def write(self, state: str) -> None:
        """Scores first, then the status that speaks of them."""
        self.written = time.monotonic()
        with lock(self.run, f"scores/{self.method}"):
            before, path = self.read(), file(self.run, self.method)
            empty = pl.DataFrame(schema=dict(schema.SCORES))
            scores = pl.concat([empty, *self.frames.values()], how="diagonal_relaxed")
            write_frame(path, scores.sort("trace_id", "sentence"))
            self.seen, self.replaces = _stamp(path), None
            self.status = before | self.status | self._counted(before)
            self.status |= {
                "method": self.method,
                "state": state,
                "option_hash": self.option_hash,
                "traces": len(self.frames),
                "failed_traces": len(self.failures),
                "failures": self.failures,
                "error": None,
            }
            if state == "done":
                self.status |= {"kept": kept(self.run, self.method)}
                self.status.pop("rollouts", None)
            write_json(status_file(self.run, self.method), self.status)
        self.fresh.clear()

    def _counted(self, before: dict[str, Any]) -> dict[str, Any]:
        """Totals and reasons: what lies there and what came since."""
        found = {k: before[k] for k in TOTALS if k in before}
        found |= {k: before.get(k, 0) + more for k, more in self.totals.items()}
        reasons = Counter(before.get("undefined", {})) + self.reasons
        self.totals.clear()
        self.reasons.clear()
        return found | ({"undefined": dict(reasons)} if reasons else {})


def score_file_of(
    run: Path, method: str, option_hash: str, learns_of: Collection[str] | None = None
) -> ScoreFile:
    """The scores as they stand.

    None where the detector's options have changed since, or a file that they rest on is gone: they
    are made again, with what is missing. So are those of a detector that learns of other traces
    than `learns_of`, which is said on stderr.
    """
    score_file = ScoreFile(run, method, option_hash, {}, {})
    with lock(run, f"scores/{method}"):
        before = read_json(status_file(run, method)).get("option_hash")
        anew = before != option_hash or method in lacking(run)
        if not anew and learns_of is not None:
            learnt = scored(run, method, option_hash)
            anew = bool(learnt) and learnt != set(learns_of)
            if anew:
                print(
                    f"{method}: learnt from {len({*learnt})} traces and there are now "
                    f"{len(learns_of)}; its scores are made anew",
                    file=sys.stderr,
                )
        score_file.replaces = before if anew else None
        score_file.stale = _stamp(file(run, method)) if anew else None
        score_file.read()
    return score_file


def scored(run: Path, method: str, option_hash: str) -> set[str]:
    """The traces that a detector with these options has scored."""
    path = file(run, method)
    if read_json(status_file(run, method)).get("option_hash") != option_hash or not path.exists():
        return set()
    return set(read_frame(path, schema.SCORES, ["trace_id"])["trace_id"])


def _stamp(path: Path) -> tuple[int, int] | None:
    """What changes whenever a file is replaced."""
    if not path.exists():
        return None
    found = path.stat()
    return found.st_ino, found.st_mtime_ns


def matrix_frame(trace: Trace, matrix: Float[np.ndarray, "sentences sentences"]) -> pl.DataFrame:
    """The defined cells of a sentence × sentence matrix, one row each."""
    target, source = np.nonzero(~np.isnan(matrix))
    cells = {"target": target, "source": source, "value": matrix[target, source]}
    names = [trace.id] * len(target)
    return pl.DataFrame({"trace_id": names, **cells}, schema_overrides=dict(schema.MATRICES))


def token_frame(trace: Trace, values: Mapping[str, Float[np.ndarray, " tokens"]]) -> pl.DataFrame:
    """A row for each token at which one of the values is defined."""
    n = len(trace.token_ids)
    columns = {"trace_id": [trace.id] * n, "token": range(n), **values}
    kinds = {"trace_id": pl.String, "token": pl.Int32} | dict.fromkeys(values, pl.Float32)
    frame = pl.DataFrame(columns, schema=kinds).fill_nan(None)
    return frame.filter(pl.any_horizontal(pl.col(*values).is_not_null()))
