"""The methods of a run that have scores: what is said of them, and the files, looked over."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from harness.core import UserError
from harness.store import schema
from harness.store.files import read_json
from harness.store.scores import file, status_file

SOUND = (  # rows that can be shown: a sentence given once, its score not infinite
    pl.len().over("method", "trace_id", "sentence") == 1
) & pl.col("score").is_infinite().not_().fill_null(value=True)
NEEDED = ("state", "family", "signed")


def statuses(run: Path) -> dict[str, dict[str, Any]]:
    """What is known of each detector that has scores; raises UserError naming a broken file."""
    names = [path.stem for path in sorted((run / "status").glob("*.json"))]
    found = {name: _status(status_file(run, name)) for name in names}
    there = {name for name in names if file(run, name).exists()}
    return {n: s for n, s in found.items() if n in there and s["state"] != "failed"}


def _status(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except (ValueError, TypeError):
        raise UserError(f"{path}: is no JSON object; delete it and run the method again") from None
    lacking = [key for key in NEEDED if key not in found and found.get("state") != "failed"]
    if lacking:
        raise UserError(f"{path}: has no {lacking[0]}; delete it and run the method again")
    return found


def score_files(run: Path, methods: Iterable[str]) -> dict[str, pl.LazyFrame]:
    """The scores of each method and those of its half samples, not yet read.

    Raises UserError naming a file that does not hold schema.SCORES.
    """
    return {name: _scores(file(run, name)) for name in methods}


def _scores(path: Path) -> pl.LazyFrame:
    try:
        frame = pl.scan_parquet(path)
        columns = frame.collect_schema()
    except (PolarsError, OSError):
        raise UserError(f"{path}: cannot be read as parquet; score the method again") from None
    for wrong in _wrong(columns):
        raise UserError(f"{path}: {wrong}")
    return frame.select(pl.col(name).cast(kind) for name, kind in schema.SCORES.items())


def _wrong(columns: Mapping[str, Any]) -> Iterator[str]:
    """What keeps columns from being those of schema.SCORES; any numbers will do for numbers."""
    for name, kind in pl.Schema(schema.SCORES).items():
        found = columns.get(name)
        if found is None:
            yield f"has no column {name}; a table of scores has {', '.join(schema.SCORES)}"
        elif isinstance(found, pl.List) and isinstance(kind, pl.List):
            if not found.inner.is_numeric() and found.inner != pl.Null:
                yield f"column {name} is {found}, not {kind}"
        elif found != kind and not (found.is_numeric() and kind.is_numeric()):
            yield f"column {name} is {found}, not {kind}"
