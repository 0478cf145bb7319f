"""What Thought Branches published of sentences and cues becomes a run."""

from pathlib import Path

import polars as pl
import pytest

from harness import UserError
from harness.convert.__main__ import command

HEAD = "pn,sentence,cue_score,cue_p,cue_score_prev,cue_p_prev,sentence_num,gt_answer,cue_answer"
ROWS = (
    '7,"Okay, so let me see.",1,0.02,1,0.04,0,C,D',
    "7,Then it is D.,40,0.8,1,0.02,1,C,D",
    "9,Only the second is here.,1,0.1,1,0.1,1,A,B",
    "8,First one.,5,0.1,5,0.1,0,A,B",
    "8,Second one.,,,5,0.1,1,A,B",
    "5,,1,0.1,1,0.1,0,A,B",
    '6,"A <think> inside </think> it.",1,0.1,1,0.1,0,A,B',
    ",Of no problem.,1,0.1,1,0.1,0,A,B",
)


def written(path: Path, *rows: str) -> str:
    path.write_text("\n".join([HEAD, *rows]) + "\n")
    return str(path)


def test_sentences_move_towards_the_cue(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path, run = written(tmp_path / "faith_counterfactual_qwen-14b.csv", *ROWS), tmp_path / "run"
    assert command(["thought_branches", path, str(run), "method=[resampling]"]) == 0
    said = capsys.readouterr().out
    assert "2 traces: 4 sentences" in said
    assert "left out: 1 traces that lack a sentence" in said
    assert "left out: 2 traces with an empty sentence, or of no problem" in said
    scores = pl.read_parquet(run / "scores" / "towards_cue.parquet").sort("trace_id", "sentence")
    found = dict(scores.group_by("trace_id", maintain_order=True).agg("score").iter_rows())
    assert found["thought_branches/7#0"] == pytest.approx([-0.02, 0.78])
    assert found["thought_branches/8#0"] == pytest.approx([0.0, float("nan")], nan_ok=True)
    traces = pl.read_parquet(run / "traces.parquet")
    assert traces["model"].unique().to_list() == ["qwen-14b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pn,sentence\n7,Hm.\n", "has no column sentence_num"),
        (f"{HEAD}\n7,Hm.,x,much,1,1,0,A,B\n", "it is no such table"),
        (f"{HEAD}\n7,Hm.,1,1,1,1,3,A,B\n", "no trace that can be taken"),
    ],
)
def test_another_layout_is_one_line(tmp_path: Path, text: str, said: str):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=said):
        command(["thought_branches", str(path), str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()
