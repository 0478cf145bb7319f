"""Where a run keeps what validations find."""

from pathlib import Path
from typing import Any

from harness.store.reading import read_json

FOLDER, SUMMARY = "validate", "_summary"


def rows_file(run: Path, name: str) -> Path:
    """The rows of single traces."""
    return run / FOLDER / f"{name}.parquet"


def summary_file(run: Path, name: str) -> Path:
    """The effects over problems."""
    return run / FOLDER / f"{name}{SUMMARY}.parquet"


def status_file(run: Path, name: str) -> Path:
    """What became of it."""
    return run / FOLDER / f"{name}.json"


def statuses(run: Path) -> dict[str, dict[str, Any]]:
    """What became of each validation of a run, by name."""
    return {path.stem: read_json(path) for path in sorted((run / FOLDER).glob("*.json"))}


def summaries(run: Path) -> dict[str, Path]:
    """The files of effects that there are, by name of the validation."""
    found = sorted((run / FOLDER).glob(f"*{SUMMARY}.parquet"))
    return {path.stem.removesuffix(SUMMARY): path for path in found}
