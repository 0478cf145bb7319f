"""Traces made elsewhere are read as if the model had written them; what does not fit is told."""

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from harness import UserError
from harness.cli.checks import plan
from harness.core import Problem
from harness.evidence.recorder import Recorder, Start
from harness.models.model import Subject
from harness.problems import Traces
from harness.run import traces
from harness.run.given import encoded
from harness.run.job import job
from harness.text.segmentation import Segmentation
from tests.harness.conftest import SAMPLING
from tests.harness.together import line

SAID = " we add the apples. so total is three. \\boxed{3}"


def rows(path: Path, *values: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def source(place: Path | None, **changes: object) -> Traces:
    options: dict[str, object] = {
        "name": "t", "path": place and str(place), "dataset": None, "subset": None, "split": "",
        "question": "question", "text": "text", "gold": "gold", "answer": None, "id": None,
        "by": None, "solution": None, "open_tag": "<think>", "close_tag": "</think>", "each": None,
        "limit": None, "reference": 0, "seed": None, "instruction": "", "pattern": "",
    }  # fmt: skip
    return Traces(**{**options, **changes})  # pyright: ignore[reportArgumentType]


def test_the_runs_own_traces_given_back_score_the_same(alone: Path, tmp_path: Path) -> None:
    """The same text is the same tokens, sentences and readings, hence the same scores."""
    there = pl.read_parquet(alone / "r/traces.parquet")
    known = pl.read_parquet(alone / "r/problems.parquet").select(
        "problem_id", "question", gold="answer"
    )
    path = tmp_path / "given.jsonl"
    table = there.select("problem_id", "text", "answer").join(
        known, on="problem_id", maintain_order="left"
    )
    path.write_text(table.write_ndjson())
    more = ["method=[attention]", "problems=traces", f"problems.path={path}",
            "problems.id=problem_id", "problems.answer=answer", "problems.instruction=''",
            "problems.limit=null", "problems.reference=0"]  # fmt: skip
    job(plan([*line(tmp_path), *more]).jobs[0].run)
    found = pl.read_parquet(tmp_path / "r/traces.parquet")
    for column in ("prompt_ids", "text", "answer", "correct"):
        assert found[column].to_list() == there[column].to_list()
    assert set(found["origin"]) == {"given.jsonl"}
    assert found["seed"].null_count() == len(found)
    names = dict(zip(there["trace_id"], found["trace_id"], strict=True))
    for name in ("sentences", "scores/attention"):
        a, b = (pl.read_parquet(r / "r" / f"{name}.parquet") for r in (alone, tmp_path))
        a = a.with_columns(pl.col("trace_id").replace_strict(names)).sort("trace_id", "sentence")
        shared = [c for c in ("text", "start", "stop", "score") if c in a]
        assert a.select(shared).equals(
            b.sort("trace_id", "sentence").select(shared), null_equal=True
        )
    assert not any((tmp_path / "r").glob("rollouts/*/*.parquet"))


def test_what_the_tokenizer_cannot_hold_is_left_out_and_told(
    recorder: Recorder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    question = {"question": " we add", "gold": "3"}
    path = rows(
        tmp_path / "t.jsonl",
        {**question, "text": SAID},
        {**question, "text": " we add the bananas. so total is three."},
        {**question, "text": SAID + " we add." * 200},
        {"question": " so", "gold": "1", "text": " unheard of."},
    )
    given = source(path)
    mine = Recorder(tmp_path, recorder.subject, given, recorder.segmenter, recorder.sampling)
    skipped: dict[str, str] = {}
    starts = traces.starts(mine, given.load(), skipped)
    found = traces.given(mine, given, starts, skipped)
    assert [(t.id, t.answer, t.correct, t.origin) for t in found] == [
        ("t/0#0", "3", True, "t.jsonl")
    ]
    assert [s.text for s in found[0].sentences] == [
        " we add the apples.",
        " so total is three.",
        " \\boxed{3}",
    ]
    assert skipped == {
        "t/1": "no trace is taken: the model's tokenizer does not give its text back"
    }
    assert "1 of 4 given traces taken" in (told := capsys.readouterr().err)
    assert "2 the same, 2 changed" in told


def test_only_the_reasoning_is_cut(recorder: Recorder, tmp_path: Path) -> None:
    text = " so we add. then total is? three"
    path = rows(tmp_path / "t.jsonl", {"question": " we add", "text": text, "gold": "3"})
    given = source(path, open_tag=" so", close_tag="?")
    mine = Recorder(
        tmp_path, recorder.subject, given, Segmentation("default", 0).segmenter, SAMPLING
    )
    (trace,) = traces.given(mine, given, traces.starts(mine, given.load(), {}), {})
    assert "".join(s.text for s in trace.sentences) == " we add. then total is"
    assert trace.text == text


def test_a_tag_that_the_prompt_ends_with_is_not_written_twice(subject: Subject) -> None:
    given = source(Path("t"), open_tag="so")
    start = Start(
        "t/0", Problem("t/0", " we", "3", None, "t", "evaluate"), subject.encode(" we so"), (), (0,)
    )
    assert encoded(subject, given, start, " so then total is")[0] == subject.encode(
        " then total is"
    )
    bare = replace(start, prompt_ids=subject.encode(" we"))
    assert encoded(subject, given, bare, " so then")[0] == subject.encode(" so then")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": "a/b"}, "give one of"),
        ({"place": None}, "give one of"),
        ({"each": 0}, r"problems\.each: at least 1"),
    ],
)
def test_values_that_make_no_source_are_refused(tmp_path, changes, message) -> None:
    with pytest.raises(UserError, match=message):
        source(**{"place": tmp_path / "t.jsonl", **changes}).load()


def test_rows_of_one_question_are_one_problem_in_either_format(tmp_path: Path) -> None:
    values = [
        {"q": "a?", "said": " x\n", "gold": "1", "who": "one"},
        {"q": "b?", "said": "y", "gold": "2", "who": "two"},
        {"q": "a?", "said": "z", "gold": "1", "who": None},
    ]
    path = rows(tmp_path / "t.jsonl", *values)
    pl.DataFrame(values).write_parquet(tmp_path / "t.parquet")
    for place in (path, tmp_path / "t.parquet"):
        given = source(place, question="q", text="said")
        a, b = given.load()
        assert [(p.id, p.answer, p.role) for p in (a, b)] == [
            ("t/0", "1", "evaluate"),
            ("t/1", "2", "evaluate"),
        ]
        assert [w.text for w in given.written(a)] == [" x\n", "z"]
        assert {w.by for w in given.written(a)} == {place.name}
        assert [w.text for w in source(place, question="q", text="said", each=1).written(a)] == [
            " x\n"
        ]
    named = source(path, question="q", text="said", by="who", each=1)
    with pytest.raises(UserError, match=r"line 3: who is missing"):
        named.load()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([{"question": "a", "text": "b"}], "no column gold; it has question, text"),
        ([{"question": "a", "text": " ", "gold": "1"}], "line 1: text is empty"),
        (
            [
                {"question": "a", "text": "b", "gold": "1"},
                {"question": "a", "text": "b", "gold": "2"},
            ],
            r"line 2: problem t/0 has another question or gold answer there",
        ),
    ],
)
def test_rows_that_cannot_be_traces_are_named(tmp_path, values, message) -> None:
    with pytest.raises(UserError, match=message):
        source(rows(tmp_path / "t.jsonl", *values)).load()


def test_what_is_no_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_text("no")
    with pytest.raises(UserError, match=r"problems\.path: cannot read .*it is no parquet"):
        source(tmp_path / "t.parquet").load()
    with pytest.raises(UserError, match=r"cannot read .*there is no such file"):
        source(tmp_path / "u.parquet").load()


def test_a_row_may_hold_several_texts_or_a_conversation(tmp_path: Path) -> None:
    asked = {"question": " we add", "gold": "3"}
    said = [{"role": "user", "content": "?"}, {"role": "assistant", "content": " a."}]
    turns = [*said, {"from": "user", "value": "!"}, {"from": "assistant", "value": SAID}]
    parts = [*said, {"role": "assistant", "content": [{"type": "text", "text": " c."}]}]
    texts: list[object] = [[SAID, " b."], turns, parts]
    path = rows(tmp_path / "t.jsonl", *({**asked, "text": text} for text in texts))
    given = source(path)
    (problem,) = given.load()
    assert [one.text for one in given.written(problem)] == [SAID, " b.", SAID, " c."]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ([], "holds no text of the model's"),
        ([{"role": "user", "content": "?"}], "holds no text of the model's"),
        (["a.", ""], "text is empty"),
        (["a.", {"role": "assistant"}], "must be text or a number"),
        ([{"role": "assistant", "content": "a."}, {"role": "assistant"}], "text is missing"),
        (None, "text is missing"),
    ],
)
def test_a_row_without_a_text_is_named(tmp_path: Path, text: object, said: str) -> None:
    path = rows(tmp_path / "t.jsonl", {"question": "q", "gold": "3", "text": text})
    with pytest.raises(UserError, match=f"line 1: .*{said}"):
        source(path).load()


def test_one_answer_is_not_that_of_several_texts(tmp_path: Path) -> None:
    row = {"question": "q", "gold": "3", "text": ["a.", "b."], "answer": "3"}
    with pytest.raises(UserError, match="holds 2 texts and answer one answer"):
        source(rows(tmp_path / "t.jsonl", row), answer="answer").load()
