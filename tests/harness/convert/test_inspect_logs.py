"""Inspect's own logs, of evaluations that run here, become rows for problems=traces."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness import UserError
from harness.convert.__main__ import command
from harness.convert.inspect_logs import written

inspect_ai = pytest.importorskip("inspect_ai", reason="needs inspect_ai: the extra inspect")


def evaluated(folder: Path, *outputs: Any, **more: Any) -> Path:
    """A log of a model that says these outputs, one a sample, which may have more fields."""
    from inspect_ai import Task
    from inspect_ai import eval as evaluate
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ChatMessageAssistant, ModelOutput, ModelUsage, get_model

    said = [
        ModelOutput(
            model="mock",
            usage=ModelUsage(
                input_tokens=1, output_tokens=1
            ),  # else they are counted, by a download
            choices=[{"message": ChatMessageAssistant(content=each), "stop_reason": "stop"}],
        )
        for each in outputs
    ]
    samples = [
        Sample(f"{n} + 1?", **{"target": str(n + 1), "id": n} | more) for n in range(len(said))
    ]
    model = get_model("mockllm/model", custom_outputs=said)
    (log,) = evaluate(Task(dataset=samples), model=model, log_dir=str(folder), display="none",
                      max_samples=1)  # fmt: skip
    return Path(log.location)


def reasoned(reasoning: str, text: str, *, redacted: bool = False) -> list[Any]:
    from inspect_ai.model import ContentReasoning, ContentText

    return [ContentReasoning(reasoning=reasoning, redacted=redacted), ContentText(text=text)]


def test_reasoning_comes_between_tags(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    outputs = ["It is 1.", reasoned("One and one.", "So 2."), "", reasoned("x", "3", redacted=True)]
    log, out = evaluated(tmp_path / "logs", *outputs), tmp_path / "out.jsonl"
    assert command(["inspect", str(log.parent), str(out)]) == 0
    said = capsys.readouterr().out
    assert "3 traces of 3 samples" in said
    assert "left out: 1 outputs without a text" in said
    found = [json.loads(line) for line in out.read_text().splitlines()]
    texts = ["It is 1.", "<think>\nOne and one.\n</think>\n\nSo 2.", "3"]
    assert [row["text"] for row in found] == texts
    assert [row["question"] for row in found] == ["0 + 1?", "1 + 1?", "3 + 1?"]
    assert found[1] | {"text": ""} == {
        "question": "1 + 1?", "text": "", "gold": "2", "id": "task/1", "by": "mockllm/model",
    }  # fmt: skip
    with pytest.raises(UserError, match="is there already"):
        command(["inspect", str(log), str(out)])


def test_several_targets_are_no_gold_answer(tmp_path: Path):
    log = evaluated(tmp_path / "logs", "1", target=["1", "one"])
    with pytest.raises(UserError, match="1 samples with several targets"):
        command(["inspect", str(log), str(tmp_path / "out.jsonl")])


def test_what_is_no_log_is_one_line(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text("{}")
    for place, said in ((path, "no log that inspect_ai can read"), (tmp_path / "b", "no such log")):
        with pytest.raises(UserError, match=said):
            command(["inspect", str(place), str(tmp_path / "out.jsonl")])
    assert not (tmp_path / "out.jsonl").exists()


def test_a_text_alone_is_itself():
    assert written("It is 1.") == "It is 1."
