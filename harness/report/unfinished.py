"""What a run lacks that is at work still, was interrupted, or lost files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from harness.report.source import targets
from harness.store import schema
from harness.store.reading import read_frame, read_json
from harness.store.rollouts import drawn
from harness.store.status import file, lacking


def unfinished(run: Path) -> list[str]:
    """What is not there yet, or not any more, in words; empty for a run that is whole."""
    status = {path.stem: read_json(path) for path in sorted((run / "status").glob("*.json"))}
    lost = [f"{name} has lost {', '.join(files)}" for name, files in lacking(run).items()]
    return [*_rollouts(run, status), *_scores(run, status), *lost, *_problems(run)]


def _rollouts(run: Path, status: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    wanted = [int(s["rollouts"]) for s in status.values() if s.get("rollouts")]
    there = drawn(run) if wanted else 0
    if wanted and there < max(wanted):
        yield f"{there:,} of {max(wanted):,} rollouts"


def _scores(run: Path, status: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The methods of run.yaml, and those that began since, without scores of all traces."""
    total = len(read_frame(run / "traces.parquet", schema.TRACES, ["trace_id"]))
    for name in dict.fromkeys([*targets(run), *status]):
        known = status.get(name, {})
        if known.get("state") in ("done", "failed") or "shard-" in name:
            continue
        path = file(run, name)
        scores = read_frame(path, schema.SCORES, ["trace_id"]) if path.exists() else pl.DataFrame()
        n = scores["trace_id"].n_unique() if len(scores) else 0
        if n < total:
            yield f"{name} scored on {n:,} of {total:,} traces" if n else f"{name} not scored"


def _problems(run: Path) -> Iterator[str]:
    """Problems of which nothing is known, since skipped.json is not there any more."""
    problems = read_frame(run / "problems.parquet", schema.PROBLEMS, ["problem_id", "role"])
    of_trace = read_frame(run / "traces.parquet", schema.TRACES, ["problem_id"])["problem_id"]
    known = {*of_trace, *read_json(run / "skipped.json")}
    asked = problems.filter(pl.col("role") == "evaluate")["problem_id"]
    if n := sum(name not in known for name in asked):
        yield f"{n:,} problems with neither a trace nor a reason in skipped.json"
