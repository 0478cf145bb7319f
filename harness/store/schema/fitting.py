"""Whether the columns of a file are those that are declared."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from harness.core import UserError

LATER = {"origin", "cut", "routed", "value", "peak"}  # columns that older runs, or some files, lack


def fitting(
    path: Path, there: Mapping[str, Any], needs: Mapping[str, Any], *, exact: bool = False
) -> None:
    """Raise UserError unless columns are those wanted; any numbers do for numbers."""
    for wrong in _wrong(there, needs, exact=exact):
        raise UserError(f"{path}: {wrong}")


def _wrong(there: Mapping[str, Any], needs: Mapping[str, Any], *, exact: bool) -> Iterator[str]:
    for name, kind in pl.Schema(needs).items():
        found = there.get(name)
        if found is None:
            if name not in LATER:
                yield f"has no column {name}; such a table has {', '.join(needs)}"
        elif found != kind and (exact or not _alike(found, kind)):
            yield f"column {name} is {found}, not {kind}"


def _alike(found: Any, kind: Any) -> bool:
    if isinstance(found, pl.List) and isinstance(kind, pl.List):
        return _alike(found.inner, kind.inner)
    return found in (kind, pl.Null) or (found.is_numeric() and kind.is_numeric())
