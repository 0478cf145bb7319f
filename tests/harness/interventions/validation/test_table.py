"""What `harness.validate` prints at its end."""

from typing import Any

from rich.console import Console

from harness.interventions.validation.effects import summary_frame
from harness.interventions.validation.job import Outcome
from harness.interventions.validation.table import effect, headline, show


def row(part: str, value: float | None, at: float | None = None, method: str | None = None) -> Any:
    ends = {} if value is None else {"low": value - 0.1, "high": value + 0.1}
    where = {"part": part, "measure": "cost", "at": at, "method": method, "n_problems": 12}
    return {**where, "value": value, **ends, "reason": "" if value is not None else "no word"}


def test_a_curve_is_said_by_its_last_place_and_methods_by_the_highest():
    curve = summary_frame([row("gain", 0.5, 1), row("gain", 0.2, 5), row("other", 0.9, 20)])
    assert effect(*headline(curve)) == "gain, cost at 5"
    several = summary_frame([row("area", 0.1, method="a"), row("area", 0.4, method="b")])
    assert effect(*headline(several)) == "area, cost, b (highest of 2)"
    partly = summary_frame([row("area", None, method="a"), row("area", -0.4, method="b")])
    assert headline(partly)[0]["value"] == -0.4


def test_a_line_a_validation():
    outcomes = [
        Outcome("tokens", summary_frame([row("matched − thinking", 0.25, 5), row("free", 0.5)])),
        Outcome("recycle", summary_frame([row("thinking − matched", None), row("once", 0.5)])),
        Outcome("hybrid", None, "needs a second checkpoint"),
    ]
    console = Console(record=True, width=160)
    show(outcomes, console)
    lines = {words[0]: " ".join(words) for line in console.export_text().splitlines()
             if (words := line.replace("│", " ").replace("┃", " ").split())}  # fmt: skip
    assert "matched − thinking, cost at 5 0.250 0.150 to 0.350 12 2 rows in" in lines["tokens"]
    assert "no word" in lines["recycle"]
    assert "0.500" not in lines["recycle"]
    assert "needs a second checkpoint" in lines["hybrid"]
