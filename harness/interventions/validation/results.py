"""What an intervention leaves in a run: rows of single traces, effects, and a status."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from harness.agreement import Agreement
from harness.core import Evidence, Trace
from harness.interventions.validation.intervention import Intervention
from harness.store import schema
from harness.store.files import slug, write_frame, write_json
from harness.store.reading import read_frame, read_json
from harness.store.validations import rows_file, status_file, summary_file

KEY = ("trace_id", "problem_id", "fold")


@dataclass(frozen=True)
class Results:
    """Those of one intervention; `basis` is a digest of all that they rest on."""

    run: Path
    name: str
    basis: str

    @property
    def folder(self) -> Path:
        """Where rows wait until those of all traces are there."""
        return self.run / "validate" / self.name / "rows" / self.basis

    @property
    def status(self) -> dict[str, Any]:
        """What was said of it last; empty where that was of another basis."""
        found = read_json(status_file(self.run, self.name))
        return found if found.get("basis") == self.basis else {}

    @property
    def done(self) -> bool:
        """Whether all is there."""
        files = rows_file(self.run, self.name), summary_file(self.run, self.name)
        return self.status.get("state") == "done" and all(path.exists() for path in files)

    def has(self, trace: Trace) -> bool:
        """Whether the rows of a trace are there."""
        return self._file(trace).exists()

    def keep(self, trace: Trace, fold: int | None, frame: pl.DataFrame) -> None:
        """Take the rows of a trace, with its id and fold."""
        kept = {"trace_id": trace.id, "problem_id": trace.problem.id, "fold": fold}
        whole = dressed(frame, schema.VALIDATION, kept)
        write_frame(self._file(trace), whole)

    def say(self, state: str, more: Mapping[str, Any]) -> None:
        """Write the status; a new basis makes a new one."""
        said = {"validation": self.name, "basis": self.basis, "error": None}
        write_json(
            status_file(self.run, self.name), {**self.status, **said, "state": state, **more}
        )

    def finish(
        self, traces: Sequence[Trace], intervention: Intervention, conf: Agreement
    ) -> pl.DataFrame:
        """Write the rows of all traces and what they say together; returns the latter."""
        parts = [read_frame(self._file(trace), schema.VALIDATION) for trace in traces]
        empty = pl.DataFrame(schema=dict(schema.VALIDATION))
        frame = pl.concat([empty, *parts], how="diagonal_relaxed")
        write_frame(rows_file(self.run, self.name), frame)
        found = intervention.summary(frame.fill_nan(None), conf)
        summary = dressed(found, schema.VALIDATION_SUMMARY, {"validation": self.name})
        write_frame(summary_file(self.run, self.name), summary)
        shutil.rmtree(self.folder.parent, ignore_errors=True)
        return summary

    def _file(self, trace: Trace) -> Path:
        return self.folder / f"{slug(trace.id)}.parquet"


def dressed(
    frame: pl.DataFrame, declared: Mapping[str, Any], known: Mapping[str, Any]
) -> pl.DataFrame:
    """A frame with all columns that are declared, null where it has none, and with those known."""
    for name, value in known.items():
        frame = frame.with_columns(pl.lit(value, declared[name]).alias(name))
    lacking = [n for n in declared if n not in frame.columns]
    frame = frame.with_columns(pl.lit(None, declared[n]).alias(n) for n in lacking)
    own = [n for n in frame.columns if n not in declared]
    return frame.select(*(pl.col(n).cast(kind) for n, kind in declared.items()), *own)


def found_rows(intervention: Intervention, trace: Trace, evidence: Evidence) -> pl.DataFrame:
    """The rows of a trace; raises ValueError for an infinite value."""
    frame = intervention.rows(trace, evidence)
    if "value" in frame.columns and frame["value"].cast(pl.Float64).is_infinite().any():
        raise ValueError(f"an infinite value of {trace.id}")
    return frame


def digest(parts: Sequence[Any]) -> str:
    """Of all that results rest on, as JSON."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
