"""Labelled solutions in the published layouts become runs, each label where it belongs."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harness import UserError
from harness.convert.__main__ import command
from harness.convert.steps.layout import Solution, solutions

STEPS = ["First add two and three.", "That makes six.", "So it is six.\n\n# Answer\n\n6"]


def completion(text: str, rating: int | None) -> dict[str, Any]:
    return {"text": text, "rating": rating, "flagged": None}


def rated(ratings: list[int | None], ended: str = "found_error") -> dict[str, Any]:
    """A row of PRM800K; the last step is not gone on with where it is wrong."""
    steps = [
        {
            "completions": [completion(text, rating), completion("Something else.", 0)],
            "human_completion": None,
            "chosen_completion": None if rating == -1 else 0,
        }
        for text, rating in zip(STEPS, ratings, strict=False)
    ]
    question = {"problem": "2 + 3?", "ground_truth_answer": "5", "ground_truth_solution": "5"}
    label = {"steps": steps, "total_time": 1, "finish_reason": ended}
    return {"labeler": "x", "question": question, "label": label}


def located(label: int) -> dict[str, Any]:
    return {"id": "gsm8k-1", "problem": "2 + 3?", "steps": STEPS, "label": label}


def written(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path, kind: Any, *rows: Any) -> tuple[list[Solution], Counter[str]]:
    skipped = Counter[str]()
    return list(solutions(written(path, *rows), kind, skipped)), skipped


def test_ratings_become_labels_of_the_chosen_steps(tmp_path: Path):
    human = rated([1, 0])
    human["label"]["steps"][1] |= {"chosen_completion": None, "human_completion": "By hand."}
    rows = [rated([0, -1]), human, rated([1], "give_up"), rated([1, 1, 1], "solution")]
    found, skipped = read(tmp_path / "a.jsonl", "prm800k", *rows)
    assert [one.steps for one in found] == [tuple(STEPS[:2]), (STEPS[0], "By hand."), tuple(STEPS)]
    assert [one.labels for one in found] == [
        ("neutral_step", "wrong_step"),
        ("right_step", None),
        ("right_step",) * 3,
    ]
    assert [one.correct for one in found] == [False, False, True]
    assert skipped == {"solutions that ended as give_up": 1}


def test_the_first_wrong_step_parts_a_solution(tmp_path: Path):
    found, _ = read(tmp_path / "a.jsonl", "processbench", located(1), located(-1))
    assert found[0].labels == ("right_step", "wrong_step", "behind_wrong_step")
    assert found[1].labels == ("right_step",) * 3
    assert [one.correct for one in found] == [False, True]


@pytest.mark.parametrize(
    ("kind", "row", "message"),
    [
        ("processbench", {"problem": "q", "steps": []}, "line 1: label: Field required"),
        ("processbench", located(3), "line 1: label 3 of 3 steps"),
        ("prm800k", located(1), "line 1: question: Field required"),
        ("prm800k", rated([7]), r"line 1: label steps 0 completions 0 rating: Input should be -1"),
    ],
)
def test_another_layout_is_one_line(tmp_path: Path, kind: Any, row: Any, message: str):
    with pytest.raises(UserError, match=message):
        read(tmp_path / "a.jsonl", kind, row)


def test_a_run_has_a_sentence_a_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rows = [located(1), located(-1), {**located(0), "problem": "3 + 2?"}, located(2)]
    path, run = written(tmp_path / "a.jsonl", *rows), tmp_path / "run"
    command(["processbench", str(path), str(run), "limit=3", "method=[resampling]"])
    assert "3 solutions of 2 problems: 9 steps" in capsys.readouterr().out
    sentences = pl.read_parquet(run / "sentences.parquet")
    assert [text.strip() for text in sentences["text"]] == STEPS * 3
    scores = pl.read_parquet(run / "scores" / "labelled_error.parquet")
    assert scores["trace_id"].unique(maintain_order=True).to_list() == [
        "processbench/0#0",
        "processbench/0#1",
        "processbench/1#0",
    ]
    assert scores["score"].fill_nan(None).to_list() == [0, 1, None, 0, 0, 0, 1, None, None]
    assert pl.read_parquet(run / "traces.parquet")["answer"].to_list() == ["6"] * 3
    with pytest.raises(UserError, match="holds a run already"):
        command(["processbench", str(path), str(run), "method=[resampling]"])
    with pytest.raises(UserError, match="limit: must be a whole number above 0, got x"):
        command(["processbench", str(path), str(tmp_path / "b"), "limit=x"])


def marked(signs: str) -> dict[str, Any]:
    """A row of Math-Shepherd."""
    steps = [f"Step {k + 1}: {text} " for k, text in enumerate(["Add.", "Take two.", "Sum up."])]
    steps[2] = "Step 3: Sum up. The answer is: 5 "
    asked = "2 + 3? " + "ки\n".join(steps) + "ки"
    return {"input": asked, "label": told(asked, signs), "task": "GSM8K"}


def told(asked: str, signs: str) -> str:
    for sign in signs:
        asked = asked.replace("ки", sign, 1)
    return asked


def test_signs_become_labels_of_the_steps_before_them(tmp_path: Path):
    rows = [marked("+++"), marked("+--"), marked("-+-")]
    found, skipped = read(tmp_path / "a.jsonl", "math_shepherd", *rows)
    assert found[0].question == "2 + 3?"
    assert found[0].steps[::2] == ("Step 1: Add.", "Step 3: Sum up. The answer is: 5")
    assert [one.correct for one in found] == [True, False, False]
    assert [[label and label.split("_")[0] for label in one.labels] for one in found] == [
        ["right", "right", "right"],
        ["right", "wrong", "behind"],
        ["wrong", "right", "wrong"],
    ]
    assert not skipped


@pytest.mark.parametrize("more", ["input", "label", "both"])
def test_what_stands_behind_the_last_sign_is_refused(tmp_path: Path, more: str):
    row = marked("+++")
    for key in ("input", "label"):
        row[key] += " Step 4: So 4." if more in (key, "both") else ""
    with pytest.raises(UserError, match="label is not input with"):
        read(tmp_path / "a.jsonl", "math_shepherd", row)


@pytest.mark.parametrize("label", ["", "2 + 3? Step 1: Add. +", told(marked("")["input"], "++?")])
def test_a_label_of_other_steps_is_refused(tmp_path: Path, label: str):
    row = marked("+++") | {"label": label}
    with pytest.raises(UserError, match="label is not input with"):
        read(tmp_path / "a.jsonl", "math_shepherd", row)


def test_what_the_steps_come_to_is_the_answer(tmp_path: Path):
    path = written(tmp_path / "a.jsonl", marked("+++"), marked("+--"))
    command(["math_shepherd", str(path), str(tmp_path / "run"), "method=[resampling]"])
    traces = pl.read_parquet(tmp_path / "run" / "traces.parquet")
    assert traces["answer"].to_list() == ["5", "5"]
    assert traces["problem_id"].n_unique() == 1
