from pathlib import Path

import numpy as np
import polars as pl
import pytest

import harness
from harness import UserError, load
from harness.store import schema
from tests.harness.synthetic import frame

REFERENCE = Path(harness.__file__).parents[1] / "results" / "reference"


def test_the_reference_run_as_frames():
    run = load(REFERENCE)
    assert set(run.scores["trace_id"]) == set(run.traces["trace_id"])
    assert set(run.methods["method"]) == set(run.scores["method"])
    assert set(run.agreement["a"]) <= set(run.scores["method"])
    assert run.sentences.height == run.traces["n_sentences"].sum()
    assert not run.scores["score"].is_nan().any()
    assert set(run.status) <= set(run.methods["method"]) | {"truth"}
    boundaries = run.rollouts().group_by("trace_id").agg(pl.col("boundary").n_unique()).collect()
    assert set(boundaries["trace_id"]) >= set(run.traces["trace_id"])
    assert {"half_a", "half_b"} <= set(run.diagnostics("resampling").columns)
    assert run.tokens().select("entropy").collect()["entropy"].min() >= 0


def test_a_matrix_is_square_and_says_nothing_of_what_it_lacks(tmp_path: Path):
    (tmp_path / "run.yaml").write_text("run: x\n")
    sentences = frame([{"trace_id": "t", "sentence": i} for i in range(3)], schema.SENTENCES)
    sentences.write_parquet(tmp_path / "sentences.parquet")
    (tmp_path / "matrices" / "m").mkdir(parents=True)
    cells = pl.DataFrame({"target": [1, 2], "source": [0, 0], "value": [0.5, -1.0]})
    cells.write_parquet(tmp_path / "matrices" / "m" / "t.parquet")
    nan = np.nan
    expected = [[nan, nan, nan], [0.5, nan, nan], [-1, nan, nan]]
    np.testing.assert_array_equal(load(tmp_path).matrix("m", "t"), expected)


def test_what_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(UserError, match="is no run folder"):
        load(tmp_path)
    (tmp_path / "run.yaml").write_text("run: x\n")
    assert load(tmp_path).rollouts().collect().is_empty()
    assert load(tmp_path).scores.is_empty()
    with pytest.raises(UserError, match=r"has no agreement\.parquet"):
        _ = load(tmp_path).agreement
