"""The gold answer along a trace: forced by the sceptic or a method, and redrawn."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from harness.interventions.doubted import names
from harness.report.page.viewer.along import forced, redrawn
from harness.store import schema
from harness.store.files import write_frame
from tests.harness.synthetic import frame


def early_answer(run: Path, name: str, answer: str, logprob: list[float], before: float) -> None:
    """The scores of a trace of as many sentences, and what the run says of the method."""
    change = np.diff([before, *logprob])
    n = len(logprob)
    said = {"trace_id": ["t"] * n, "sentence": range(n), "score": np.abs(change)}
    more = {"half_a": [[]] * n, "half_b": [[]] * n}
    scores = pl.DataFrame({**said, **more, "change": change, "logprob": logprob})
    write_frame(run / "scores" / f"{name}.parquet", scores.cast({"sentence": pl.Int32}))
    status = {
        "state": "done",
        "family": "",
        "signed": False,
        "about": {"options": {"answer": answer}},
    }
    (run / "status").mkdir(exist_ok=True)
    (run / "status" / f"{name}.json").write_text(json.dumps(status))


def test_a_method_that_forces_the_gold_answer_says_its_p_behind_every_boundary(tmp_path: Path):
    early_answer(tmp_path, "own", "own", [-9.0, -9.0], -9.0)
    assert forced(tmp_path) == {}
    early_answer(tmp_path, "early", "gold", [np.log(0.25), np.nan], np.log(0.125))
    assert forced(tmp_path) == {"t": {"0": pytest.approx(0.125), "1": pytest.approx(0.25)}}
    assert redrawn(tmp_path) == {}


def test_the_sceptic_comes_first_and_keeps_what_was_redrawn(tmp_path: Path):
    early_answer(tmp_path, "early", "gold", [-1.0], -2.0)
    rows = [
        (names.CUT, names.FORCED, 0, 0.1), (names.CUT, names.FORCED, 1, 0.98765),
        (names.CUT, names.REDRAWN, 1, 0.5), (names.CUT, names.LOGPROB, 1, -3.0),
        (names.TRUE, names.FORCED, None, 0.9),
    ]  # fmt: skip
    values = [{"trace_id": "t", "part": p, "measure": m, "value": v} for p, m, _, v in rows]
    at = pl.Series("boundary", [row[2] for row in rows], pl.Int32)
    write_frame(
        tmp_path / "validate" / "sceptic.parquet", frame(values, schema.VALIDATION).with_columns(at)
    )
    assert forced(tmp_path) == {"t": {"0": 0.1, "1": 0.988}}
    assert redrawn(tmp_path) == {"t": {"1": 0.5}}
