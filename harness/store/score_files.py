"""The methods of a run that have scores: what is said of them, and the files, looked over."""

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from harness.core import Detector, UserError, Worded
from harness.core.docstrings import written
from harness.store import schema
from harness.store.reading import REMEDY, look_over, read_json
from harness.store.status import file, status_file

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
    found = read_json(path)
    if found.get("method", path.stem) != path.stem:
        raise UserError(f"{path}: is the status of {found['method']}; {REMEDY}")
    lacking = [key for key in NEEDED if key not in found and found.get("state") != "failed"]
    if lacking:
        raise UserError(f"{path}: has no {lacking[0]}; delete it and run the method again")
    return found


def declared(detector: Detector, node: Mapping[str, Any]) -> dict[str, Any]:
    """What a status says of a detector, so that a report need not import it.

    `node` is its yaml: `_target_` and options.
    """
    options = {key: written(value) for key, value in node.items() if key != "_target_"}
    about = {"text": inspect.getdoc(type(detector)) or "", "options": options}
    worded = isinstance(detector, Worded) and detector.worded
    traits = {"family": detector.family, "signed": detector.signed, "worded": worded}
    return traits | {"about": about}


def score_files(run: Path, methods: Iterable[str]) -> dict[str, pl.LazyFrame]:
    """The scores of each method and those of its half samples, not yet read.

    Raises UserError naming a file that does not hold schema.SCORES.
    """
    return {name: _scores(file(run, name)) for name in methods}


def _scores(path: Path) -> pl.LazyFrame:
    look_over(path, schema.SCORES, exact=False)
    return pl.scan_parquet(path).select(pl.col(n).cast(kind) for n, kind in schema.SCORES.items())
