from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from harness.report.page.matrix import matrix
from harness.report.page.viewer.index import LEVELS, heat, index, labelled
from harness.report.page.viewer.payload import Payload
from harness.report.plots.ranks import with_ranks
from harness.report.source import Source, read
from tests.harness.report.page.viewer.test_payload import unpacked
from tests.harness.synthetic import write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("viewer") / "run", n_problems=2)


@pytest.fixture(scope="module")
def source(run: Path) -> Source:
    return read(run)


def of_scores(**scores: list[float | None]) -> pl.DataFrame:
    parts = [
        pl.DataFrame({"score": values}, schema={"score": pl.Float64}).with_row_index("sentence")
        .with_columns(trace_id=pl.lit("t"), method=pl.lit(name))
        for name, values in scores.items()
    ]  # fmt: skip
    return pl.concat(parts)


def test_marks_by_hand(source: Source):
    scores = of_scores(a=[1.0, 2.0, 3.0, None], b=[4.0, 3.0, 2.0, 1.0])
    found = heat(replace(source, scores=scores), ["a", "b"], ["a", "b"]).sort("sentence")
    # ranks of a: 1/6, 1/2, 5/6; of b: 7/8, 5/8, 3/8, 1/8; twelve levels, the highest on top
    assert found["marks"].to_list() == ["cK", "gh", "Ke", "-b"]
    spreads = [198 * abs(x - y) / 2 for x, y in ((1 / 6, 7 / 8), (1 / 2, 5 / 8), (5 / 6, 3 / 8))]
    assert found["disagreement"].to_list() == [*map(round, spreads), None]


def test_opposed_judges_disagree_most_and_a_single_one_never(source: Source):
    rising = [float(i) for i in range(200)]
    scores = of_scores(a=rising, b=rising[::-1], c=rising)
    two = heat(replace(source, scores=scores), ["a", "b", "c"], ["a", "b"]).sort("sentence")
    assert two["disagreement"][0] == two["disagreement"][-1] == 99
    assert two["disagreement"].min() == 0
    one = heat(replace(source, scores=scores), ["a", "b", "c"], ["a"])
    assert one["disagreement"].null_count() == 200


def test_a_mark_is_the_rank_of_the_score(source: Source):
    methods = source.methods_in_order
    marks = heat(source, methods, source.detectors)
    ranked = with_ranks(source.scores)
    for i, method in enumerate(methods):
        column = marks.select("trace_id", "sentence", mark=pl.col("marks").str.slice(i, 1))
        both = column.join(ranked.filter(pl.col("method") == method), ["trace_id", "sentence"])
        for row in both.iter_rows(named=True):
            if row["rank"] is None:
                assert row["mark"] == "-"
            else:
                assert row["mark"].isupper() == row["top"]
                assert LEVELS.index(row["mark"].lower()) == min(11, int(row["rank"] * 12))


def test_the_index_finds_every_sentence(run: Path, source: Source):
    payload = Payload()
    found = index(run, source, source.methods_in_order, source.detectors, payload)
    assert found["methods"] == [m for m in source.methods_in_order if m != "transplant"]
    assert [t["trace_id"] for t in found["traces"]] == source.traces["trace_id"].to_list()
    for trace in found["traces"]:
        core = unpacked(payload.lines[trace["core"][1]])
        own = source.sentences.filter(pl.col("trace_id") == trace["trace_id"]).sort("sentence")
        assert core["text"] == own["text"].to_list()
        assert len(core["marks"]) == len(trace["labels"]) == len(trace["disagreement"]) == len(own)
        assert {len(marks) for marks in core["marks"]} == {len(found["methods"])}
        named = [None if i < 0 else found["labels"][i] for i in trace["labels"]]
        assert named == own["category"].to_list()
        evidence = unpacked(payload.lines[trace["evidence"][1]])
        assert set(evidence["scores"]) == set(found["methods"])


def test_the_planted_kind_labels_where_there_is_no_category():
    frame = pl.DataFrame({"text": ["a", "b"], "category": [None, "plan"], "kind": ["PLAN", "EXEC"]})
    assert labelled(frame)["label"].to_list() == ["PLAN", "plan"]


def test_the_matrix_holds_every_row_of_the_frame(source: Source):
    found = matrix(source.agreement, source.methods_in_order)
    names, rows = found["names"], found["rows"]
    assert names["control"] == ["none", "position"]
    for i, row in enumerate(source.agreement.iter_rows(named=True)):
        for key, among in (("a", "method"), ("b", "method"), ("control", "control")):
            assert names[among][rows[key][i]] == row[key]
        assert rows["value"][i] == (row["value"] and pytest.approx(row["value"], rel=1e-2))
        assert rows["n_problems"][i] == row["n_problems"]
    without = source.agreement.with_columns(verdict=pl.lit(None, dtype=pl.String))
    assert set(matrix(without, source.methods_in_order)["rows"]["verdict"]) == {-1}
    few = matrix(source.agreement, ["mi", "resampling"])
    assert set(few["names"]["method"]) == {"mi", "resampling"}
    assert len(few["rows"]["a"]) == 3
