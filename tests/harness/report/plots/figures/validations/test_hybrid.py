"""The curve of hybrid decoding, from effects made by hand."""

from pathlib import Path

import polars as pl
import pytest

from harness.report.plots.figures.validations.hybrid import curves
from harness.report.plots.gallery import figures
from harness.report.plots.style import styled
from harness.report.source import read
from harness.store import schema
from harness.store.files import rows, write_frame
from harness.store.validations import summary_file
from tests.harness.frames import write_wide
from tests.harness.report.plots.figures.test_figures import written

ARMS = [("kl", None, 0.1), ("kl", None, 0.02), ("disagreement", None, None), ("probe", "a", 0.1)]


def effects() -> pl.DataFrame:
    """Of each arm the share routed and the gap recovered; the probe's gap is undefined."""
    found = []
    for number, (part, method, at) in enumerate(ARMS):
        place = {"validation": "hybrid", "part": part, "method": method, "at": at}
        share, gap = 0.12 - number / 100, None if method else 0.8 - number / 10
        ends = {} if gap is None else {"low": gap - 0.1, "high": gap + 0.1}
        found.append({**place, "measure": "share routed", "value": share})
        found.append({**place, **ends, "measure": "gap recovered", "value": gap})
    return rows(found, schema.VALIDATION_SUMMARY)


def test_a_row_an_arm_whose_gap_is_defined():
    found = curves(effects())
    assert found["router"].to_list() == ["kl", "kl", "disagreement"]
    assert found["share"].to_list() == pytest.approx([0.11, 0.12, 0.1])
    assert found["value"].to_list() == pytest.approx([0.7, 0.8, 0.6])


def test_the_figure_is_drawn_where_there_are_effects(tmp_path: Path):
    run = write_wide(tmp_path, ["a", "b"], 0)
    with styled():
        assert "hybrid" not in {name for name, _, _ in figures(read(run), None)}
        write_frame(summary_file(run, "hybrid"), effects())
        (figure,) = (made for name, made, _ in figures(read(run), None) if name == "hybrid")
        assert len(figure.axes) == 2
        said = {text.get_text() for text, _ in written(figure)}
        assert {"kl", "disagreement", "gap recovered"} <= said
