"""Pivotal tokens as records of codelion/pts."""

import json
from pathlib import Path

import numpy as np
import pytest

from harness import Problem, Rollouts, Sentence, Trace, UserError
from harness.convert import __main__ as convert
from harness.convert.pts import events
from harness.store.files import write_frame, write_yaml
from harness.store.traces import problem_frame, sentence_frame, trace_frame

PROBLEM = Problem("p/0", "What is 6 times 7?", "42", None, "made", "evaluate")
TRACE = Trace(
    "p/0#0", PROBLEM, "m", "r", 0, (1, 2), (3, 4, 5, 6), "I add. No.",
    (Sentence("I add.", 0, 3, None), Sentence(" No.", 3, 4, None)), "42", True, "m", "stop",
    (0, 1, 5, 6),
)  # fmt: skip


def rollouts(right: int, n: int = 10) -> Rollouts:
    return Rollouts(np.arange(n), ("",) * n, np.arange(n) < right, ("",) * n)


ARMS = {  # behind no token, "I", "I add", "I add."
    ("resample", 0): rollouts(5),
    ("pivotal_1", 0): rollouts(6),
    ("pivotal_2", 0): rollouts(9),
    ("resample", 1): rollouts(7),
}


def test_a_record_for_each_token_that_moves_it_enough() -> None:
    helps, harms = events(TRACE, ARMS, 0.2, "owner/model")
    assert (helps["label"], helps["context"], helps["token_id"]) == (" add", "I", 4)
    assert (helps["prob_before"], helps["prob_after"]) == (0.6, 0.9)
    assert helps["prob_delta"] == helps["score"] == pytest.approx(0.3)
    assert helps["position"] == 3  # behind two tokens of the prompt and one of the trace
    assert (harms["label"], harms["is_positive"]) == (".", False)
    assert harms["score"] == pytest.approx(0.2)
    assert harms["tags"] == ["token_pts", "negative"]


def test_its_id_is_that_of_the_layout() -> None:
    # sha1 of model, query, context and token with \x1f between them, as pts.events makes it
    (first, *_) = events(TRACE, ARMS, 0.2, "owner/model")
    assert first["event_id"] == "token_evt_e89f5b0704a1"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    write_frame(run / "problems.parquet", problem_frame([PROBLEM]))
    write_frame(run / "sentences.parquet", sentence_frame([TRACE]))
    write_frame(run / "traces.parquet", trace_frame([TRACE]))
    write_yaml(run / "run.yaml", {"method": {"mi": {}}})
    return run


def test_what_is_missing_is_one_line_and_nothing_is_written(run: Path) -> None:
    out = run.parent / "out.jsonl"
    lines = {
        "threshold=x": "threshold: must be a number, got x",
        "threshold=0.2": f"{run}: has no rollouts within sentences; add method=[pivotal]",
        "most=1": "pts: no such option most",
    }
    for line, message in lines.items():
        with pytest.raises(UserError) as raised:
            convert.command(["pts", str(run), str(out), line])
        assert str(raised.value).startswith(message)
    with pytest.raises(UserError, match=r"^threshold: the run says none"):
        convert.command(["pts", str(run), str(out)])
    assert not out.exists()


def test_records_are_json() -> None:
    for event in events(TRACE, ARMS, 0.1, "m"):
        assert json.loads(json.dumps(event)) == event
