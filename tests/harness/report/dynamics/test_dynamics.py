from pathlib import Path

import polars as pl
import pytest

from harness.core import UserError
from harness.report.dynamics import section, table
from harness.report.dynamics.figure import draw, figure
from harness.report.settings import Report
from harness.store import schema
from harness.store.files import write_frame, write_json


def rows() -> pl.DataFrame:
    """Two checkpoints; planning is undefined in the second."""
    found = [
        (name, step, "own", kind, "entropy", value, low, high, 12)
        for name, step, kind, value, low, high in [
            ("base", 0.0, "planning", 0.5, 0.4, 0.6),
            ("base", 0.0, "execution", 0.2, None, None),
            ("rl<1>", 10.0, "planning", None, None, None),
            ("rl<1>", 10.0, "execution", 0.1, 0.05, 0.15),
        ]
    ]
    found += [("base", 0.0, "own", "all", "accuracy", 0.5, 0.4, 0.6, 12)]
    return pl.DataFrame(found, schema=schema.DYNAMICS, orient="row")


def test_the_page_has_a_row_a_measure_and_class(tmp_path: Path):
    write_frame(tmp_path / "dynamics.parquet", rows())
    for name, state in {"base": "done", "rl-2": "failed", "rl-1": "failed"}.items():
        write_json(
            tmp_path / "dynamics" / name / "status.json", {"state": state, "error": "no weights"}
        )
    shown = section(tmp_path)
    assert shown is not None
    assert shown["checkpoints"] == ["base", "rl<1>"]
    assert [(row["measure"], row["class"]) for row in shown["rows"]] == [
        ("entropy, own traces", "planning"),
        ("entropy, own traces", "execution"),
        ("accuracy", "all"),
    ]
    assert shown["rows"][0]["cells"] == [{"value": 0.5, "low": 0.4, "high": 0.6}, None]
    assert shown["left_out"] == [("rl-1", "no weights"), ("rl-2", "no weights")]


def test_a_run_without_a_series_has_no_section(tmp_path: Path):
    assert section(tmp_path) is None
    with pytest.raises(UserError, match=r"dynamics\.parquet: is missing"):
        table(tmp_path)


def test_the_figure_has_a_panel_a_measure_and_leaves_gaps_where_nothing_is_known(tmp_path: Path):
    made = figure(rows())
    panels = [axes.get_title() for axes in made.axes]
    assert panels == ["entropy, own traces", "accuracy"]
    lines = {tuple(line.get_xdata()): list(line.get_ydata()) for line in made.axes[0].lines}
    assert lines == {(0,): [0.5], (0, 1): [0.2, 0.1]}
    write_frame(tmp_path / "dynamics.parquet", rows())
    written = draw(tmp_path, Report(None, 80, 1, None))
    assert [path.suffix for path in written] == [".png", ".svg", ".csv"]
    assert written[2].read_text().startswith("checkpoint,step,traces,class,measure,value")
