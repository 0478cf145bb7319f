from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from harness.report.page.viewer.details import Gathered
from harness.report.page.viewer.edges import known, outgoing, strongest
from harness.report.page.viewer.rollouts import SHOWN, alternatives, grouped
from harness.report.page.viewer.tokens import tokens
from harness.report.source import read
from harness.store import schema
from harness.store.files import add_part, slug, write_frame
from tests.harness.evident import add_evidence
from tests.harness.synthetic import frame, write_run


def drawn(*rows: tuple[int, str, str | None, bool, str]) -> pl.DataFrame:
    names = ("boundary", "first_sentence", "answer", "correct", "arm")
    values = [dict(zip(names, row, strict=True)) | {"trace_id": "t#0"} for row in rows]
    return frame(values, schema.ROLLOUTS)


def test_rollouts_are_grouped_by_answer_at_each_boundary(tmp_path: Path):
    rows = [(0, " Add. ", "7", True, "resample")] * 3 + [(0, "Stop.", "9", False, "resample")]
    rows += [(0, "Wait.", "7", True, "resample"), (1, "", None, False, "resample")]
    rows += [(0, "7}", "7", True, "forced")] * 9
    add_part(tmp_path / "rollouts" / slug("t#0"), drawn(*rows))
    found = alternatives(tmp_path, "t#0")
    assert found == {
        "arm": "resample",
        "at": {
            "0": [
                {"answer": "7", "correct": True, "n": 4, "texts": [("Add.", 3), ("Wait.", 1)]},
                {"answer": "9", "correct": False, "n": 1, "texts": [("Stop.", 1)]},
            ],
            "1": [{"answer": None, "correct": False, "n": 1, "texts": []}],
        },
    }
    assert alternatives(tmp_path, "another") is None


def test_without_the_shared_arm_the_one_with_most_answers_is_shown(tmp_path: Path):
    rows = [(0, "a", "1", True, "base"), (0, "b", "1", True, "rl"), (0, "c", "2", False, "rl")]
    add_part(tmp_path / "rollouts" / slug("t#0"), drawn(*rows))
    found = alternatives(tmp_path, "t#0")
    assert found is not None
    assert found["arm"] == "rl"


def test_of_rollouts_that_leave_the_shares_of_all_are_told(tmp_path: Path):
    rows = [(0, "a", "1", True, "leave"), (0, "b", "2", False, "leave_second")]
    rows += [(1, "c", "3", False, "leave"), (1, "", "3", False, "leave_second")]
    rows += [(0, "z", "9", False, "sentence")] * 5
    add_part(tmp_path / "rollouts" / slug("t#0"), drawn(*rows))
    repeats = pl.DataFrame({"trace_id": ["t#0"], "sentence": [0], "repeat": [0.6]})
    found = alternatives(tmp_path, "t#0", repeats)
    assert found is not None
    assert found["arm"] == "leave"
    shares = [[(g["answer"], g["n"], g["share"]) for g in at] for at in found["at"].values()]
    assert shares == [[("3", 0, 0.6), ("1", 1, 0.2), ("2", 1, 0.2)], [("3", 2, 1.0)]]
    assert [g["texts"] for g in found["at"]["0"]] == [[], [("a", 1)], [("b", 1)]]
    unknown = alternatives(tmp_path, "t#0")
    assert unknown is not None
    assert all("share" not in g for at in unknown["at"].values() for g in at)


@given(st.lists(st.lists(st.integers(1, 4), max_size=30), min_size=1, max_size=6))
def test_the_sample_takes_turns_between_answers(sizes: list[list[int]]):
    rows = [
        (0, f"{i}-{j}", str(i), True, "resample")
        for i, pool in enumerate(sizes)
        for j, n in enumerate(pool)
        for _ in range(n)
    ]
    found = {int(r["answer"]): r for r in grouped(drawn(*rows)).iter_rows(named=True)}
    shown = [len(found[i]["text"]) if i in found else 0 for i in range(len(sizes))]
    assert sum(shown) == min(SHOWN, sum(map(len, sizes)))
    left = [n for n, pool in zip(shown, sizes, strict=True) if n < len(pool)]
    assert all(n >= max(shown) - 1 for n in left)  # none that has more is left behind
    for i, group in found.items():
        assert group["n"] == sum(sizes[i])
        assert group["times"] == sorted(sizes[i], reverse=True)[: shown[i]]


def test_every_rollout_is_counted_once_the_most_frequent_answer_first():
    rows = [(0, "a", "1", True, "resample")] * 5 + [(0, "a", None, False, "resample")] * 9
    groups = grouped(drawn(*rows, *[(0, "b", "1", True, "resample")] * 2))
    assert groups.select("answer", "n").rows() == [(None, 9), ("1", 7)]
    assert groups["times"].explode().sum() == 16


def test_edges_are_above_the_mean_of_their_row():
    matrix = pl.DataFrame(
        {"target": [2, 2, 3, 3, 3], "source": [0, 1, 0, 1, 2], "value": [1.0, 3.0, 6.0, 0.0, 0.0]}
    )
    assert strongest(matrix) == {"0": [[3, 4.0]], "1": [[2, 1.0]]}


def test_edges_of_a_run_lie_by_method_and_by_kind(tmp_path: Path):
    matrix = pl.DataFrame(
        {"trace_id": ["t#0"] * 2, "target": [2, 2], "source": [0, 1], "value": [0.0, 1.0]}
    )
    write_frame(tmp_path / "matrices" / "m" / f"{slug('t#0')}.parquet", matrix)
    assert outgoing(tmp_path, "t#0") == {"m": {"1": [[2, 0.5]]}}
    assert known(tmp_path) == {}
    edges = pl.DataFrame([("t#0", 1, 2, "recap")], schema=schema.EDGES, orient="row")
    write_frame(tmp_path / "matrices" / "edges.parquet", edges)
    assert known(tmp_path) == {"t#0": {"recap": {"1": [[2]]}}}


def test_tokens_are_counted_as_the_page_counts(tmp_path: Path):
    trace = {"trace_id": "t", "text": "a🙂b. c", "starts": [0, 1, 3]}
    sentences = pl.DataFrame({"start": [0, 2], "stop": [2, 3], "text": ["a🙂b", ". changed"]})
    assert tokens(tmp_path, trace, sentences) is None
    entropy = np.array([0.1, np.nan, 2.0], dtype=np.float32)
    reading = pl.DataFrame({"token": [0, 1, 2], "entropy": entropy})
    write_frame(tmp_path / "tokens" / "t.parquet", reading)
    assert tokens(tmp_path, trace, sentences) == [([1, 3], [10, None], {}), None]
    assert tokens(tmp_path, trace | {"starts": []}, sentences) is None


def test_peaks_are_counted_within_their_sentence(tmp_path: Path):
    trace = {"trace_id": "t", "text": "abcd", "starts": [0, 1, 2, 3]}
    sentences = pl.DataFrame({"start": [0, 2], "stop": [2, 4], "text": ["ab", "cd"]})
    reading = pl.DataFrame({"token": range(4), "entropy": [0.0] * 4})
    write_frame(tmp_path / "tokens" / "t.parquet", reading)
    for method, peak in {"mi": [0.0, 1.0, 0.0, 1.0], "late": [0.0, 0.0, 1.0, 1.0]}.items():
        said = pl.DataFrame({"token": range(4), "value": [0.5] * 4, "peak": peak})
        write_frame(tmp_path / "tokens" / method / "t.parquet", said)
    write_frame(tmp_path / "tokens" / "flat" / "t.parquet", said.drop("peak"))
    found = tokens(tmp_path, trace, sentences, ["flat", "late", "mi", "none"])
    assert found is not None
    assert [peaks for _, _, peaks in found] == [{"mi": [1]}, {"late": [0, 1], "mi": [1]}]


def test_the_evidence_of_a_trace_lines_up_with_its_sentences(tmp_path: Path):
    run = add_evidence(write_run(tmp_path / "run", n_problems=1))
    source = read(run)
    gathered = Gathered(run, source, ["resampling", "mi"])
    for trace in source.traces.iter_rows(named=True):
        found = gathered.of(trace)
        scores = source.scores.filter(pl.col("trace_id") == trace["trace_id"])
        for method, values in found["scores"].items():
            own = scores.filter(pl.col("method") == method).sort("sentence")["score"]
            assert [v is None for v in values] == own.is_null().to_list()
        n = trace["n_sentences"]
        assert len(found["tokens"]) == n
        assert all(sum(lengths) > 0 for lengths, *_ in found["tokens"])
        assert set(found["rollouts"]["at"]) == {str(i) for i in range(n + 1)}
    assert gathered.of(trace | {"trace_id": "without sentences"}) == {}
