"""A figure on disk: PNG, SVG and CSV, the same bytes for the same numbers."""

import io
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from harness.store.files import write_bytes

KINDS = ("png", "svg", "csv")


def save(figure: Figure, table: pl.DataFrame, stem: Path, dpi: int) -> list[Path]:
    """Write `stem`.png, .svg and .csv; returns the three.

    Raises UserError when the disk refuses, with none of the three half written.
    """
    # Without a date the files do not change as long as the numbers do not.
    content = (
        _bytes(figure, {"format": "png", "dpi": dpi, "metadata": {"Software": None}}),
        _bytes(figure, {"format": "svg", "metadata": {"Date": None}}),
        table.write_csv().encode(),
    )
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in KINDS]
    for path, data in zip(paths, content, strict=True):
        write_bytes(path, data)
    return paths


def remove(stem: Path) -> None:
    """Delete the three files of a figure, if they are there."""
    for kind in KINDS:
        stem.with_name(f"{stem.name}.{kind}").unlink(missing_ok=True)


def _bytes(figure: Figure, options: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, **options)
    return buffer.getvalue()
