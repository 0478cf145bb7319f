"""Figures of a run: frames in, figures out, each saved as PNG and SVG with the CSV behind it."""

from pathlib import Path

from harness.report.settings import Report


def draw(run: Path, conf: Report) -> list[Path]:
    """Write the figures of a run into `run/plots`; returns their files, three a figure.

    A figure of which the run has no numbers is left out, and removed where it was drawn before.
    Raises UserError if the run lacks a file or `conf.trace` names no trace of it.
    """
    # matplotlib takes a second to import, which those who only need Report do not wait for.
    from harness.report.plots.gallery import NAMES, figures
    from harness.report.plots.saving import remove, save
    from harness.report.plots.style import styled
    from harness.report.source import read

    written: dict[str, list[Path]] = {}
    source = read(run)
    with styled(source.given_truth):
        for name, figure, table in figures(source, conf.trace):
            written[name] = save(figure, table, run / "plots" / name, conf.dpi)
    for name in NAMES:
        if name not in written:
            remove(run / "plots" / name)
    return [path for paths in written.values() for path in paths]
