"""A figure on disk: PNG, SVG and CSV, the same bytes for the same numbers."""

from pathlib import Path

import polars as pl
from matplotlib.figure import Figure


def save(figure: Figure, table: pl.DataFrame, stem: Path, dpi: int) -> list[Path]:
    """Write `stem`.png, .svg and .csv, each under a temporary name first; returns the three."""
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "svg", "csv")]
    parts = [path.with_name(path.name + ".part") for path in paths]
    # Without a date the files do not change as long as the numbers do not.
    figure.savefig(parts[0], format="png", dpi=dpi, metadata={"Software": None})
    figure.savefig(parts[1], format="svg", metadata={"Date": None})
    table.write_csv(parts[2])
    for part, path in zip(parts, paths, strict=True):
        part.replace(path)
    return paths
