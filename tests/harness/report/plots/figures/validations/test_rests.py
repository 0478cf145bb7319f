"""Figures of what the answer rests on, from the files of validations."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harness.interventions.doubted import names
from harness.report.plots.figures.validations import deletion, sceptic
from harness.report.plots.style import styled
from harness.store import schema
from harness.store.files import write_frame


def row(problem: str, at: float, value: float, draws: list[float], **more: Any) -> dict[str, Any]:
    given = {"trace_id": f"{problem}#0", "problem_id": problem, "method": "mi", "answer": "own"}
    given |= {"part": "whole trace", "measure": "log p", "scale": "share"}
    return given | {"at": at, "value": value, "draws": draws} | more


def written(run: Path, rows: list[dict[str, Any]]) -> Path:
    kinds = {**schema.VALIDATION, "answer": pl.String, "scale": pl.String}
    kinds["draws"] = pl.List(pl.Float64)
    write_frame(run / "validate" / "deletion.parquet", pl.DataFrame(rows, schema=kinds))
    return run


def test_curves_are_means_over_problems_and_the_band_that_of_matched_sets(tmp_path: Path):
    rows = [
        row("p", 0.1, 1.0, [0.0, 1.0]),
        row("q", 0.1, 3.0, [2.0, 5.0]),
        row("q", 0.2, 4.0, [1.0, 1.0]),
        row("q", 0.1, 9.0, [9.0, 9.0], scale="sentences"),
        row("q", 0.1, 9.0, [9.0, 9.0], answer="gold"),
    ]
    found = deletion.curves(written(tmp_path, rows))
    first, second = found.iter_rows(named=True)
    assert (first["method"], first["at"], first["value"]) == ("mi", 0.1, 2.0)
    assert first["low"] == pytest.approx(1.1)  # draws average to 1 and 3 over the problems
    assert first["high"] == pytest.approx(2.9)
    assert (second["value"], second["low"], second["high"]) == (4.0, 1.0, 1.0)
    with styled():
        assert len(deletion.figure(found).axes) >= 1


def test_controls_stand_forced_beside_redrawn(tmp_path: Path):
    def control(part: str, measure: str, value: float | None, at: float | None = None):
        return {"validation": "sceptic", "part": part, "measure": measure, "value": value, "at": at}

    rows = [
        control("TRUE − SWAP", sceptic.FORCED, 0.8),
        control("TRUE", sceptic.FORCED, 0.9),
        control("TRUE", sceptic.REDRAWN, 0.8),
        control("SWAP-SELF", sceptic.FORCED, None),
        control("TRUE, cut", sceptic.FORCED, 0.4, 0.5),
        control("SHUFFLE", "share of TRUE − NONE, P(correct), forced", 0.4),
    ]
    frame = pl.DataFrame(rows, schema=schema.VALIDATION_SUMMARY)
    write_frame(tmp_path / "validate" / "sceptic_summary.parquet", frame)
    found = sceptic.controls(tmp_path)
    assert found.select("part", "measure").rows() == [
        ("TRUE", "P(correct), forced"),
        ("TRUE", "P(correct), redrawn"),
    ]
    assert (sceptic.FORCED, sceptic.REDRAWN) == (names.FORCED, names.REDRAWN)
    with styled():
        assert [t.get_text() for t in sceptic.figure(found).axes[0].get_yticklabels()] == ["TRUE"]


def test_without_validations_there_is_nothing_to_draw(tmp_path: Path):
    assert deletion.curves(tmp_path).is_empty()
    assert sceptic.controls(tmp_path).is_empty()
