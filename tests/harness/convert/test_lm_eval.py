"""Responses that lm-evaluation-harness logged become rows for problems=traces."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness import UserError
from harness.convert.__main__ import command
from harness.problems import Traces


def logged(n: int, filtered: str, *responses: Any) -> dict[str, Any]:
    """A row of samples_gsm8k_TIME.jsonl."""
    return {
        "doc_id": n,
        "doc": {"question": f"{n} + 1?", "answer": f"One more.\n#### {n + 1}"},
        "target": f"One more.\n#### {n + 1}",
        "arguments": {"gen_args_0": {"arg_0": f"Q: {n} + 1?", "arg_1": {"until": []}}},
        "resps": [list(responses)],
        "filtered_resps": [str(n + 1)],
        "filter": filtered,
        "exact_match": 1.0,
    }


def written(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_each_response_is_a_trace_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rows = [logged(1, f, " It is 2.", "2") for f in ("strict-match", "flexible-extract")]
    path = written(tmp_path / "samples_gsm8k.jsonl", *rows, logged(2, "strict-match", "3"))
    out = tmp_path / "out.jsonl"
    command(["lm_eval", str(path), str(out)])
    assert "3 traces of 2 documents" in capsys.readouterr().out
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert found[0] == {
        "question": "1 + 1?",
        "text": " It is 2.",
        "gold": "2",
        "id": "1",
        "by": "samples_gsm8k",
    }
    assert [row["text"] for row in found] == [" It is 2.", "2", "3"]
    columns: dict[str, Any] = {name: name for name in ("question", "text", "gold", "id", "by")}
    nothing = dict.fromkeys(("dataset", "subset", "answer", "solution", "each", "limit", "seed"))
    more = {"split": "", "open_tag": "", "close_tag": "", "instruction": "", "pattern": ""}
    problems = Traces(name="t", path=str(out), reference=0, **columns, **nothing, **more).load()
    assert [(problem.id, problem.answer) for problem in problems] == [("1", "2"), ("2", "3")]
    with pytest.raises(UserError, match="is there already"):
        command(["lm_eval", str(path), str(out)])


@pytest.mark.parametrize(
    ("row", "options", "message"),
    [
        (logged(1, "none", [-3.0, False]), [], "line 1: resps holds no texts"),
        ({**logged(1, "none", "2"), "resps": [["a"], ["b"]]}, [], "the responses to one request"),
        ({"doc_id": 1, "target": "2"}, [], "line 1: has no doc; log with --log_samples"),
        (logged(1, "none", "2"), ["question=q"], "question=KEY, one of question, answer"),
        (logged(1, "none", "2"), ["gold=g"], "line 1, doc: g is missing"),
    ],
)
def test_another_layout_is_one_line(tmp_path: Path, row: Any, options: list[str], message: str):
    path, out = written(tmp_path / "a.jsonl", row), tmp_path / "out.jsonl"
    with pytest.raises(UserError, match=message):
        command(["lm_eval", str(path), str(out), *options])
    assert not out.exists()
