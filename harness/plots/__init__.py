"""Figures of a run: frames in, figures out, each saved as PNG and SVG with the CSV behind it."""

from dataclasses import dataclass
from pathlib import Path

from harness.plots.source import read


@dataclass(frozen=True)
class Report:
    """What the report shows: `trace` is an id or None, `dpi` that of the PNG figures."""

    trace: str | None
    dpi: int
    example_traces: int


def draw(run: Path, conf: Report) -> list[Path]:
    """Write every figure of a run into `run/plots`; returns the files.

    Raises UserError if the run lacks a file or `conf.trace` names no trace of it.
    """
    # matplotlib takes a second to import, which those who only need Report do not wait for.
    from harness.plots.figures import figures
    from harness.plots.saving import save
    from harness.plots.style import styled

    source = read(run)
    written: list[Path] = []
    with styled():
        for name, figure, table in figures(source, conf.trace):
            written += save(figure, table, run / "plots" / name, conf.dpi)
    return written
