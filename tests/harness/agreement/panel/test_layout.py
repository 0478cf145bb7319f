from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from harness.agreement import agreement
from harness.agreement.panel import halves
from harness.agreement.panel.halves import Stored, store
from harness.agreement.panel.layout import panels
from harness.core import UserError
from tests.harness.comparing import covariates, load, trait

SPLITS = 3
FRAMES = ("agreement", "by_problem", "by_k", "summary", "reliability", "notes")


def made(folder):
    """Two models' traces; two methods that draw, one of them without a trace, one with gaps."""
    rng = np.random.default_rng(0)
    sizes = {f"t{i}": int(n) for i, n in enumerate(rng.integers(5, 30, 26))}
    told = [(t, f"p{i % 12}", "one" if i < 24 else "two") for i, t in enumerate(sizes)]
    traces = pl.DataFrame(told, schema=["trace_id", "problem_id", "model"], orient="row")
    cells = pl.DataFrame([(t, i) for t, n in sizes.items() for i in range(n)], orient="row")
    cells.columns = ["trace_id", "sentence"]
    cells = cells.with_columns(pl.col("sentence").cast(pl.Int32))
    truth, n = rng.normal(size=len(cells)), len(cells)
    for name, draws in (("a", True), ("b", True), ("c", False), ("d", False)):
        score = truth + rng.normal(size=n)
        score[rng.random(n) < 0.1] = np.nan if name == "c" else 0.0
        lists = {
            half: pl.Series(
                list(score[:, None] + rng.normal(size=(n, SPLITS))) if draws else [[]] * n
            )
            for half in ("half_a", "half_b")
        }
        lists = {half: made.cast(pl.List(pl.Float64)) for half, made in lists.items()}
        frame = cells.with_columns(score=pl.Series(score), **lists)
        if name == "b":
            frame = frame.filter(pl.col("trace_id") != "t3")
        frame.write_parquet(folder / f"{name}.parquet")
    return traces, covariates(cells, length=rng.integers(3, 30, n))


@pytest.fixture
def given(tmp_path):
    traces, known = made(tmp_path)
    return {m: pl.scan_parquet(tmp_path / f"{m}.parquet") for m in "abcd"}, traces, known


def test_scores_in_many_pieces_are_compared_as_in_one_to_the_bit(given, monkeypatch):
    scores, traces, known = given
    traits = {m: trait("x", "resample") for m in "ab"}
    conf = replace(load(), draws=200, flips=200)
    whole = agreement(
        {m: f.collect().lazy() for m, f in scores.items()}, traces, known, traits, conf
    )
    monkeypatch.setattr(halves, "ROWS", 37)
    pieces = agreement(scores, traces, known, traits, conf)
    assert whole.agreement["value"].null_count() < len(whole.agreement)
    for name in FRAMES:
        assert getattr(whole, name).equals(getattr(pieces, name))


def test_vectors_are_the_scores_in_the_order_of_model_problem_and_trace(given, tmp_path):
    scores, traces, known = given
    laid, notes = panels(scores, traces, known, tmp_path)
    assert notes.is_empty()
    assert [panel.model for panel in laid] == ["one", "two"]
    for panel in laid:
        order = traces.filter(model=panel.model).sort("problem_id", "trace_id")
        assert panel.problems == tuple(order["problem_id"].unique(maintain_order=True))
        for name, frame in scores.items():
            rows = order.join(frame.collect(), on="trace_id", how="left", maintain_order="left")
            found = panel.methods[name].score
            assert (
                found[np.isfinite(found)].tolist()
                == rows["score"].fill_nan(None).drop_nulls().to_list()
            )
            halved = panel.methods[name].half_b
            assert len(halved) == (SPLITS if name in "ab" else 0)
            for split in range(len(halved)):
                expected = rows["half_b"].list.get(split).cast(pl.Float32).drop_nulls().to_list()
                assert halved[split][np.isfinite(halved[split])].tolist() == expected


def test_lists_of_another_length_and_refused_rows_are_not_stored(tmp_path):
    lists = [
        pl.Series([[1.0, 2], [3, None], []]),
        pl.Series([None, [5, 6], [7, 8, 9]], dtype=pl.List(pl.Float64)),
    ]
    blocks = store(lists, np.array([2, 0, 1, 3, -1, 4]), 2, tmp_path / "half")
    found = Stored(tmp_path / "half", blocks, 2, 5, slice(0, 4))
    nan = np.nan
    assert len(found) == 2
    assert found[0].tolist() == pytest.approx([3, nan, 1, nan], nan_ok=True)
    assert found[1].tolist() == pytest.approx([nan, nan, 2, nan], nan_ok=True)


def test_a_disk_that_refuses_is_one_line(tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        store([pl.Series([[1.0]])], np.array([0]), 1, tmp_path / "nowhere" / "half")
