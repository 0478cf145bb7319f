"""Training sets with disclosures, from traces made by hand."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import Problem, Sentence, Trace, UserError
from harness.convert import __main__ as convert
from harness.convert.trelawney.disclosing import (
    Disclosure,
    told_at_random,
    told_at_top,
    written,
)
from harness.convert.trelawney.training import augmentation, sets
from harness.store.files import write_frame, write_yaml
from harness.store.traces import problem_frame, sentence_frame, trace_frame

TEXTS = ("<think>Let me see.", " I add them.", " That is 7.", " Wait.", " Yes, 7.")
HOW = augmentation({})


def trace(number: int, texts: tuple[str, ...] = TEXTS) -> Trace:
    """A token is a character; the answer stands behind the reasoning."""
    text, stops = "".join(texts) + "</think>7", np.cumsum([0, *map(len, texts)]).tolist()
    cut = tuple(
        Sentence(t, a, b, None) for t, a, b in zip(texts, stops[:-1], stops[1:], strict=True)
    )
    problem = Problem(f"p{number}", f"What is {number}?", "7", None, "made", "evaluate")
    ids, starts = tuple(map(ord, text)), tuple(range(len(text)))
    return Trace(
        f"p{number}#0", problem, "m", "r", 0, (1,), ids, text, cut, "7", True, "m", "stop", starts
    )


TRACES = [trace(number) for number in range(20)]


def test_the_defaults_are_those_of_the_yaml():
    assert (HOW.share, HOW.gap, HOW.open, HOW.close) == (0.5, (1, 5), "<T>", "</T>")
    changed = augmentation({"gap": "[2,2]", "anchors": "mi", "correct": "false"})
    assert (changed.gap, changed.anchors, changed.correct) == ((2, 2), "mi", False)


def test_a_sentence_is_copied_between_the_tags_before_another_one():
    found = written(TRACES[0], Disclosure(3, 1), HOW)
    assert found == ("<think>Let me see.<T>Wait.</T> I add them. That is 7. Wait. Yes, 7.</think>7")
    asked = replace(HOW, wording="I want the {k}-th sentence from here to be {sentence}")
    expected = "see.<T>I want the 3-th sentence from here to be Wait.</T> I add"
    assert expected in written(TRACES[0], Disclosure(3, 1), asked)
    assert written(TRACES[0], None, HOW) == TRACES[0].text


@given(number=st.integers(0, 10**6), least=st.integers(1, 4), more=st.integers(0, 4))
def test_what_is_told_comes_later_by_the_gap_and_taken_out_leaves_the_text(
    number: int, least: int, more: int
):
    how, one = replace(HOW, gap=(least, least + more)), trace(number)
    told = told_at_random(one, how)
    assert told is not None
    assert told.before >= 0
    assert least <= told.sentence - told.before <= least + more
    text = one.sentences[told.sentence].text.strip()
    assert written(one, told, how).replace(f"<T>{text}</T>", "", 1) == one.text


def test_all_sentences_and_gaps_come_up():
    found = {told_at_random(trace(number), replace(HOW, gap=(1, 2))) for number in range(300)}
    pairs = {(d.sentence, d.sentence - d.before) for d in found if d}
    assert pairs == {(1, 1), *((i, gap) for i in (2, 3, 4) for gap in (1, 2))}


def test_the_top_of_a_method_is_told_with_the_same_gap():
    how, one = replace(HOW, gap=(2, 2)), TRACES[0]
    scores = np.array([9.0, 9.0, np.nan, 1.0, 1.0])  # the first two have no gap before them
    assert told_at_top(one, scores, how) == Disclosure(3, 1)
    assert told_at_top(one, np.full(5, np.nan), how) is None


def test_problems_are_trained_on_or_tested_on_and_tests_stay_as_they_are():
    twice = [*TRACES, *(replace(t, id=f"{t.problem.id}#1") for t in TRACES)]
    scores = {t.id: np.arange(5.0) for t in twice}
    made = sets(twice, scores, "Box it.", replace(HOW, anchors="mi", test=0.3))
    assert list(made.sets) == ["plain", "disclosed", "anchors-mi"]
    for splits in made.sets.values():
        train, test = ({row["problem_id"] for row in splits[s]} for s in ("train", "test"))
        assert train | test == {f"p{i}" for i in range(20)}
        assert not train & test
        assert splits["test"] == made.sets["plain"]["test"]
    told = {name: [r for r in s["train"] if r["disclosed"]] for name, s in made.sets.items()}
    assert not told["plain"]
    assert [r["trace_id"] for r in told["disclosed"]] == [r["trace_id"] for r in told["anchors-mi"]]
    assert {r["disclosed"] for r in told["anchors-mi"]} == {4}
    assert 0.2 < len(told["disclosed"]) / len(made.sets["plain"]["train"]) < 0.8
    assert len(told["disclosed"]) == made.told["disclosed"]
    assert made.sets["plain"]["test"][0]["prompt"].endswith("?\n\nBox it.")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    write_frame(run / "problems.parquet", problem_frame([t.problem for t in TRACES]))
    write_frame(run / "sentences.parquet", sentence_frame(TRACES))
    write_frame(run / "traces.parquet", trace_frame(TRACES))
    rows = [(t.id, i, float(i == 2)) for t in TRACES for i in range(5)]
    kinds = {"trace_id": pl.String, "sentence": pl.Int32, "score": pl.Float64}
    scores = pl.DataFrame(rows, schema=kinds, orient="row")
    halves = pl.lit(None, pl.List(pl.Float64))
    write_frame(run / "scores" / "mi.parquet", scores.with_columns(half_a=halves, half_b=halves))
    values: Mapping[str, Any] = {"problems": {"instruction": "Box it."}}
    write_yaml(run / "run.yaml", values)
    return run


def test_the_command_writes_what_datasets_reads(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    from datasets import load_dataset

    convert.command(["trelawney", str(run), str(tmp_path / "out"), "anchors=mi", "share=1"])
    assert capsys.readouterr().out.count("a sentence told in") == 2
    place = str(tmp_path / "out" / "anchors-mi")
    found = load_dataset(place, cache_dir=str(tmp_path / "cache"))
    assert set(found) == {"train", "test"}
    assert found["train"].num_rows + found["test"].num_rows == 20
    row = found["train"][0]
    assert row["prompt"].endswith("Box it.")
    assert "<T>That is 7.</T>" in row["completion"]
    assert row["disclosed"] == 2
    lines = (tmp_path / "out" / "plain" / "test.jsonl").read_text().splitlines()
    assert {json.loads(line)["disclosed"] for line in lines} == {None}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("gap=[3,2]", "gap: at least 3 and at most 2 is none"),
        ("gap=[9,9]", "trelawney: no training trace has a sentence to disclose (disclosed, gap 9"),
        ("wording=Look", "wording: must hold {sentence} once"),
        ("open=see.", "see. is in the text of p0#0 already"),
        ("close=<T>", "open, close: must be two different texts"),
        ("share=0", "trelawney.share: must be greater than 0"),
        ("shaer=1", "trelawney.shaer: no such key"),
        ("anchors=rpt", "trelawney.anchors: rpt has no scores in "),
        ("test=0.999999", "trelawney.test: 0.999999 leaves no problem to train on"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(run: Path, line: str, message: str):
    out = run.parent / "out"
    with pytest.raises(UserError) as raised:
        convert.command(["trelawney", str(run), str(out), line])
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)
    assert sorted(p.name for p in run.parent.iterdir()) == ["run"]
