"""Tokens and seconds by arm, on rollouts counted by hand."""

from pathlib import Path

import pytest

from harness.report.spent import charged, tokens_by_arm
from harness.store import schema
from harness.store.files import add_part, write_json
from tests.harness.synthetic import frame

ROW = {"trace_id": "t", "cut": [], "first_sentence_stop": 4, "answer": "1", "correct": True}


def row(arm: str, boundary: int, draw: int, tokens: int, seed: int, origin: int | None = None):
    place = {"arm": arm, "boundary": boundary, "draw": draw, "chunk": 0, "seed": seed}
    return {**ROW, **place, "origin": boundary if origin is None else origin, "n_tokens": tokens}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rows = [
        row("trace", 0, 0, 1000, 9),
        row("resample", 0, 0, 50, 1),
        row("resample", 0, 1, 60, 1),
        row("resample", 1, 0, 40, 1, origin=0),  # the same rollout behind a sentence it wrote
        row("resample", 1, 1, 30, 2),
        row("resample+", 1, 1, 7, 3),
        row("behind", 0, 0, 54, 4),  # 4 tokens of its first sentence and 50 of its own
        row("behind", 0, 1, 60, 1),  # handed on as it ended
    ]
    add_part(tmp_path / "rollouts" / "t", frame(rows, schema.ROLLOUTS))
    write_json(tmp_path / "rollouts" / "t" / "arms.json", {"behind": {"of": "resample"}})
    return tmp_path


def test_each_rollout_is_counted_once_where_it_was_drawn(run: Path) -> None:
    assert tokens_by_arm(run) == {"trace": 1000, "resample": 140, "resample+": 7, "behind": 50}


def test_a_method_is_charged_with_its_arms_alone_and_shared_ones_are_named(run: Path) -> None:
    """Seconds of sampling go by tokens: 197 tokens took 19.7 s however the jobs were cut."""
    spent = {"seconds": 11.0, "sampling_seconds": 9.85}
    status = {
        "a": {"arms": ["resample"], "tokens": 98, **spent},
        "b": {"arms": ["resample", "resample+"], "tokens": 99, **spent},
        "c": {"arms": ["behind"], "seconds": 1.0},
        "d": {"seconds": 2.5},
        "old": {},
    }
    found = charged(run, status)
    assert {n: f["tokens"] for n, f in found.items()} == {
        "a": 140, "b": 147, "c": 50, "d": 0, "old": None,
    }  # fmt: skip
    assert found["a"]["shared"] == found["b"]["shared"] == "resample"
    assert found["c"]["shared"] == ""
    assert found["a"]["seconds"] == pytest.approx(11.0 - 9.85 + 14.0)
    assert found["c"]["seconds"] == pytest.approx(1.0 + 5.0)
    assert found["d"]["seconds"] == 2.5
    assert found["old"]["seconds"] is None
