"""What the claims of a run are tested on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from harness.agreement import Agreement
from harness.analysis.given_truth import given_truth
from harness.claims import Frames
from harness.report.source import table
from harness.store import schema
from harness.store.load import Run
from harness.store.reading import read_frame, read_yaml
from harness.store.scores import file

SCORES = {
    "model": pl.String,
    "problem_id": pl.String,
    "trace_id": pl.String,
    "sentence": schema.SCORES["sentence"],
    "method": pl.String,
    "score": pl.Float64,
}


def tested_on(
    run: Path,
    scores: Mapping[str, pl.LazyFrame],
    status: Mapping[str, Mapping[str, Any]],
    agreement: pl.DataFrame,
    conf: Agreement,
) -> Frames:
    """The frames of a run for its claims; `scores` by method, of which those with a status count.

    These are the detectors: a baseline is no side of a claim.
    """
    parts = [scores[name].select(*SCORES) for name in scores if name in status]
    sentences = table(run, "sentences")
    return Frames(
        agreement.fill_nan(None),
        pl.concat([pl.LazyFrame(schema=SCORES), *parts]).fill_nan(None).collect(),
        sentences,
        {name: pl.scan_parquet(file(run, name)) for name in scores if name in status},
        _series(run),
        Run(run).effects,
        str(run),
        frozenset(name for name, of in status.items() if of["signed"]),
        given(run, sentences),
        {name: _reason(of) for name, of in status.items()},
        conf,
    )


def _reason(status: Mapping[str, Any]) -> str:
    """Why most of a detector's traces without any score have none; empty where all have some."""
    counted: Mapping[str, int] = status.get("undefined") or {}
    return max(counted, key=lambda reason: counted[reason], default="")


def _series(run: Path) -> pl.DataFrame:
    """What was measured along a series, by problem; empty where none was followed."""
    path = run / "dynamics_by_problem.parquet"
    if not path.is_file():
        return pl.DataFrame(schema=schema.DYNAMICS_BY_PROBLEM)
    return read_frame(path, schema.DYNAMICS_BY_PROBLEM).fill_nan(None)


def given(run: Path, sentences: pl.DataFrame) -> dict[str, str]:
    """The methods that were told what is planted, and how to undo it."""
    path = run / "run.yaml"
    values = read_yaml(path) if path.is_file() else {}
    return given_truth(values, known="kind" in sentences.columns)
