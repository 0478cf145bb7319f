"""Published rollouts become a run that our own detectors score; what is wrong is counted."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from harness import Evidence, Rollouts, UserError
from harness.convert.__main__ import command
from harness.convert.math_rollouts.layout import Key, Place, Subset, by_trace, place
from harness.convert.math_rollouts.rollouts import first, last_box
from harness.report.build import report
from harness.report.settings import configured
from harness.store.reading import read_json
from harness.text.answers import extract
from harness.text.segmentation import offsets, reasoning_span
from methods.forced_answer import ForcedAnswer
from methods.resampling import Resampling
from tests.harness.convert.math_rollouts.made import CHUNKS, prefix, write_shards, write_tree

METHODS = "method=[resampling_kl,forced_answer]"
FIRST = "math_rollouts/7#one/temperature_0.6_top_p_0.95-correct"
KEY = Key("one/temperature_0.6_top_p_0.95", "7", "correct")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "tree")


def converted(root: Path, run: Path, *options: str) -> Path:
    plain = ["method.resampling_kl.importance=resampling", "method.resampling_kl.distance=tv"]
    command(["math_rollouts", str(root), str(run), METHODS, *plain, *options])
    return run


def solutions(tree: Path, chunk: int, *, forced: bool = False, number: int = 7) -> Path:
    kind = "correct_base_solution" + "_forced_answer" * forced
    (model,) = tree.glob("one/*")
    return model / kind / f"problem_{number}/chunk_{chunk}/solutions.json"


def by_hand(tree: Path, *, forced: bool) -> list[Rollouts]:
    """The rollouts as the files have them, read without the harness."""
    found: list[Rollouts] = []
    for i in range(len(CHUNKS)):
        rows = json.loads(solutions(tree, i, forced=forced).read_text())
        answers = tuple(row["answer"] for row in rows)
        right = np.array([row["is_correct"] for row in rows])
        said = tuple(row["chunk_resampled"] for row in rows)
        found.append(Rollouts(np.arange(len(rows)), answers, right, said))
    return [*found, Rollouts(np.zeros(0, np.int64), (), np.zeros(0, bool), ())]


def scores(run: Path, method: str, trace: str = FIRST) -> pl.DataFrame:
    return pl.read_parquet(run / f"scores/{method}.parquet").filter(pl.col("trace_id") == trace)


def test_scores_are_those_of_the_same_rollouts_scored_directly(tree: Path, tmp_path: Path) -> None:
    run = converted(tree, tmp_path / "run")
    more = (True, 200, "end", "plain")
    detector = Resampling("resampling", "tv", 0.8, "none", False, 5, "nan", 1.0, *more)
    other = ForcedAnswer("tv", 1.0, True, 200)
    trace = loaded(run)
    for name, asked, arm in (
        ("resampling_kl", detector, "resample"),
        ("forced_answer", other, "forced"),
    ):
        every = by_hand(tree, forced=arm == "forced")
        have = Evidence(12, "", (), rollouts={(arm, k): r for k, r in enumerate(every)})
        expected = asked.score(trace, have)
        found = scores(run, name)
        np.testing.assert_array_equal(found["score"], expected.score)
        np.testing.assert_array_equal(found["headroom"], expected.diagnostics["headroom"])
        assert np.isfinite(expected.score[:-1]).all()
        assert np.isnan(expected.score[-1])  # nothing was drawn behind the last sentence
        assert len(found["half_a"][0]) == 20
        assert read_json(run / f"status/{name}.json")["arms"] == [arm]


def loaded(run: Path) -> Any:
    from harness.run.growth import stored
    from harness.store.traces import load

    return next(t for t in load(run, stored(run)) if t.id == FIRST)


def test_shards_give_what_the_folder_gives(tree: Path, tmp_path: Path) -> None:
    shards = write_shards(tree, tmp_path / "shards")
    a, b = converted(tree, tmp_path / "a"), converted(shards, tmp_path / "b")
    tables = ("traces", "sentences", "problems", "scores/resampling_kl", "scores/forced_answer")
    for name in tables:
        x, y = (pl.read_parquet(run / f"{name}.parquet") for run in (a, b))
        assert x.equals(y), name
    assert set(pl.read_parquet(a / "sentences.parquet")["category"]) == {"plan"}
    x, y = (pl.read_parquet(run / "rollouts/*/*.parquet") for run in (a, b))
    assert x.equals(y)
    assert len(x) == 2 * 2 * 4 * 12


def test_the_same_line_goes_on_and_another_subset_adds(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = converted(tree, tmp_path / "run", "numbers=8")
    (path,) = (run / "rollouts").glob("*/published.parquet")
    before = path.stat().st_mtime_ns
    assert "1/1 math_rollouts/8#" in capsys.readouterr().err
    converted(tree, run)
    assert path.stat().st_mtime_ns == before
    assert set(pl.read_parquet(run / "traces.parquet")["problem_id"]) == {
        "math_rollouts/7",
        "math_rollouts/8",
    }
    assert pl.read_parquet(run / "scores/resampling_kl.parquet")["trace_id"].n_unique() == 2
    with pytest.raises(UserError, match=r"made with another config: answers \('last' there"):
        converted(tree, run, "answers=published")


def spoilt(path: Path, change: Any) -> None:
    rows = json.loads(path.read_text())
    path.write_text(json.dumps(change(rows)))


def test_what_is_wrong_is_counted_and_the_rest_stays(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoilt(solutions(tree, 0), lambda rows: [{"error": "429"}, {"rollout": 3}, *rows[2:]])
    spoilt(
        solutions(tree, 1), lambda rows: [{**rows[0], "prefix_without_chunk": "Else."}, *rows[1:]]
    )
    spaced = prefix(2).replace(" ", "\n  ")
    spoilt(
        solutions(tree, 2), lambda rows: [{**rows[0], "prefix_without_chunk": spaced}, *rows[1:]]
    )
    text = "Or \\boxed{9}? No. \\boxed{5}"
    spoilt(
        solutions(tree, 3),
        lambda rows: [{**rows[0], "rollout": text, "answer": "9", "is_correct": False}, *rows[1:]],
    )
    solutions(tree, 1, forced=True).write_text("[{")
    run = converted(tree, tmp_path / "run", "numbers=7")
    out = capsys.readouterr().out
    for line in (
        "1 traces, cut as here in 1",
        "1 rows with an error",
        "1 rows that are no rollout",
        "1 rollouts of another prefix",
        "1 files that are no list of rollouts",
        "1 answers whose first box is not the last",
        "1 answers judged otherwise here",
        f"{12 * 8 - 12 - 3} rollouts",
    ):
        assert f"{line}\n" in out
    found = pl.read_parquet(run / "rollouts/*/*.parquet").filter(arm="resample", boundary=3, draw=0)
    assert found.select("answer", "correct", "answer_published", "correct_published").rows() == [
        ("5", True, "9", False)
    ]
    assert scores(run, "forced_answer")["score"].is_nan().to_list() == [True, True, False, True]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("problem", None, "it has no problem.json"),
        ("base_solution", "{", "its base_solution.json is broken"),
        ("chunks", '{"chunks": ["No."]}', "chunk 0 is not what stands there"),
    ],
)
def test_a_trace_that_cannot_be_taken_is_named_and_the_others_stay(
    tree: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: str,
    why: str,
) -> None:
    path = solutions(tree, 0).parents[1] / f"{name}.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    run = converted(tree, tmp_path / "run")
    assert f"left out: {FIRST}, as {why}" in capsys.readouterr().out
    assert pl.read_parquet(run / "traces.parquet")["problem_id"].to_list() == ["math_rollouts/8"]


def test_a_half_written_shard_is_named_and_its_rest_comes_later(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = write_shards(tree, tmp_path / "shards")
    last = shards / "default-00001.parquet"
    whole = last.read_bytes()
    last.write_bytes(whole[: len(whole) // 2])
    run = tmp_path / "run"
    converted(shards, run)
    assert f"{last}: cannot be read, and is left out" in capsys.readouterr().err
    few = len(pl.read_parquet(run / "rollouts/*/*.parquet"))
    assert few < 2 * 2 * 4 * 12
    last.write_bytes(whole)
    converted(shards, run)
    assert len(pl.read_parquet(run / "rollouts/*/*.parquet")) == 2 * 2 * 4 * 12
    direct = converted(tree, tmp_path / "direct")
    for method in ("resampling_kl", "forced_answer"):
        assert scores(run, method).equals(scores(direct, method))


def test_another_layout_is_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(UserError, match="is no folder"):
        converted(tmp_path / "none", run)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no published rollouts that are wanted; they lie as"):
        converted(tmp_path / "empty", run)
    pl.DataFrame({"text": ["a"]}).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(UserError, match="has no column path; the published shards have"):
        converted(tmp_path / "other.parquet", run)
    assert not run.exists()


def test_the_report_step_reads_it_like_any_run(tree: Path, tmp_path: Path) -> None:
    run = converted(tree, tmp_path / "run")
    more = ["agreement.controls=[none,headroom]", "report.example_traces=1", "report.dpi=50"]
    page = report(run, *configured(run, ["agreement.statistics=[spearman]", *more]))
    assert "resampling_kl" in page.read_text()
    found = pl.read_parquet(run / "agreement.parquet")
    assert "headroom" in set(found["control"])


def test_paths_say_what_a_file_is() -> None:
    base = "one/temperature_0.6_top_p_0.95/correct_base_solution"
    assert place(f"{base}/problem_7/chunk_12/solutions.json", "r") == Place(
        KEY, False, 12, "solutions"
    )
    assert place(f"{base}_forced_answer/problem_7/chunk_0/solutions.json", "r") == Place(
        KEY, True, 0, "solutions"
    )
    assert place(f"{base}/problem_7/problem.json", "r") == Place(KEY, False, -1, "problem")
    alone = place("incorrect_base_solution/problem_7/chunks.json", "one")
    assert alone == Place(Key("one", "7", "incorrect"), False, -1, "chunks")
    for other in (
        "README.md",
        f"{base}/problem_7/summary.json",
        f"{base}/problem_7/chunk_1/chunks.json",
    ):
        assert place(other, "r") is None
    paths = [f"{base}/problem_{n}/problem.json" for n in (7, 8)]
    assert list(by_trace(paths, "r", Subset({"7"}, {"temp"}, set()))) == [KEY]
    assert not by_trace(paths, "r", Subset(set(), {"two"}, set()))


TEXTS = [
    "So it is. And so on. " * 60,
    "So.\n</think>\n\nDone. More of it.",
    "</think> \\boxed{5}",
    "",
    "One word " * 400 + ". Then. More text here. ",
    "x" * 505 + ". \n</think> after it. More.",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_first_sentence_is_that_of_the_whole_text(text: str) -> None:
    reasoning = text[: reasoning_span(text, "", "</think>")[1]]
    spans = offsets(reasoning)
    assert first(text, offsets) == (reasoning[: spans[0][1]].strip() if spans else "")


@pytest.mark.parametrize("before", ["", "so \\boxed{", "is \\boxed{4} {", "} \\boxed{ {"])
@pytest.mark.parametrize(
    "text", ["5}", "none", "} } \\boxed{\\frac{1}{2}}. {", "\\boxed{6", "5} or \\boxed{}"]
)
def test_the_last_box_is_that_of_both_texts(before: str, text: str) -> None:
    assert last_box(before, text) == extract(before + text, "")
