"""A long run exported as every format, and loaded: the seconds of CPU that they take.

`pytest tests/benchmarks/test_export_bench.py -s -o addopts=`; TRACES=10000 for the size that is
promised, of which a tenth is the default.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest

import harness
from harness.convert.exporting import Format, export
from harness.store import schema
from harness.store.files import write_frame, write_yaml

TRACES = int(os.environ.get("TRACES", "1000"))
SENTENCES, DRAWS, METHODS = 100, 2, 8  # of a trace, of a boundary, of the run
SECONDS = 60 * TRACES / 10_000 + 2


def filled(columns: Mapping[str, Any], needs: Mapping[str, Any]) -> pl.DataFrame:
    """A frame with these columns, what else the schema has being null."""
    given = pl.DataFrame(columns)
    absent = [pl.lit(None).alias(name) for name in needs if name not in columns]
    return given.with_columns(absent).select(pl.col(name).cast(needs[name]) for name in needs)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place, rng = tmp_path_factory.mktemp("long") / "run", np.random.default_rng(0)
    owner = [f"p{i // 2}" for i in range(TRACES)]
    ids = [f"{name}#{i % 2}" for i, name in enumerate(owner)]
    words = " ".join(["so this is what it comes to"] * 600)
    problems = {"problem_id": sorted({*owner}), "question": "?", "answer": "1", "role": "evaluate"}
    traces = {"trace_id": ids, "problem_id": owner, "model": "m", "text": words, "answer": "1"}
    write_frame(place / "problems.parquet", filled(problems, schema.PROBLEMS))
    write_frame(place / "traces.parquet", filled(traces, schema.TRACES))
    keys = {
        "trace_id": np.repeat(ids, SENTENCES),
        "sentence": np.tile(np.arange(SENTENCES), TRACES),
    }
    text = np.resize(
        [f"sentence {i} of what was written" for i in range(97)], len(keys["sentence"])
    )
    write_frame(place / "sentences.parquet", filled(keys | {"text": text}, schema.SENTENCES))
    for m in range(METHODS):
        scores = keys | {"score": rng.normal(size=len(text))}
        write_frame(place / "scores" / f"m{m}.parquet", filled(scores, schema.SCORES))
    drawn = {"boundary": np.repeat(np.arange(SENTENCES), DRAWS), "arm": "resample", "answer": "1"}
    for name in ids:
        rows = filled(drawn | {"trace_id": name}, schema.ROLLOUTS)
        write_frame(place / "rollouts" / name / "0.parquet", rows)
    write_yaml(place / "run.yaml", {"identity": {}})
    return place


@pytest.mark.parametrize("form", get_args(Format))
def test_export(form: str, run: Path, tmp_path: Path) -> None:
    begun, clock = time.process_time(), time.monotonic()
    export(run, tmp_path / form, form)
    spent, wall = time.process_time() - begun, time.monotonic() - clock
    size = sum(path.stat().st_size for path in (tmp_path / form).rglob("*.*")) / 1e6
    print(f"{form}: {TRACES} traces, {size:.0f} MB, {spent:.1f} s of CPU ({wall:.1f} s passed)")
    assert spent < SECONDS


def test_load(run: Path) -> None:
    begun, clock = time.process_time(), time.monotonic()
    found = harness.load(run)
    assert len(found.traces) == TRACES
    assert len(found.sentences) == TRACES * SENTENCES
    assert len(found.scores) == TRACES * SENTENCES * METHODS
    n = found.rollouts().select(pl.len()).collect().item()
    assert n == TRACES * SENTENCES * DRAWS
    spent, wall = time.process_time() - begun, time.monotonic() - clock
    print(f"load: {TRACES} traces, {spent:.1f} s of CPU ({wall:.1f} s passed)")
    assert spent < SECONDS
