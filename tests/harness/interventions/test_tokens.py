"""What is forbidden, recycled and appended, and the effects, on rollouts by hand."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from harness.core import Condition, Draw, Evidence, Forbid, Recycle, Rollouts
from harness.interventions.recycle import Applied as Twice
from harness.interventions.recycle import Recycling
from harness.interventions.recycle import effects as gains
from harness.interventions.scale import Applied as Behind
from harness.interventions.scale import Scaling
from harness.interventions.thinking.words import Choice, Words, digest
from harness.interventions.tokens import Forbidding, Tokens, effects
from tests.harness.interventions.made import AGREEMENT, trace

CHOICE = Choice(None, "mi", 1, 0)
WORDS = Words((" Wait", " So"), (" we", " it"), (" fox",))
FORBIDDING = Forbidding(Tokens(CHOICE, (1, 2), 4, "answer"), WORDS)
TRACE = trace("p", [None, None])


def right(share: float, n: int = 4) -> Rollouts:
    correct = np.arange(n) < share * n
    return Rollouts(np.arange(n), ("1",) * n, correct, ("x",) * n)


def gathered(wants, shares: list[float]) -> Evidence:
    pairs = zip(wants, shares, strict=True)
    return Evidence(4, "", (), rollouts={(w.arm, w.boundary): right(s) for w, s in pairs})


def test_every_list_is_an_arm_of_its_own_from_the_question_on():
    wants = FORBIDDING.wants(TRACE, Evidence(4, "", ()))
    assert wants[0] == Draw(0, 4, "answer", "free")
    under = Condition(under=(Forbid((" Wait",)),))
    assert wants[1] == Draw(0, 4, "answer", f"without-{digest([' Wait'])}", condition=under)
    assert (
        len({want.arm for want in wants}) == len(wants) == 1 + 3 + 2
    )  # two random ones there are not


def test_accuracies_by_hand():
    wants = FORBIDDING.wants(TRACE, Evidence(4, "", ()))
    rows = FORBIDDING.rows(TRACE, gathered(wants, [1, 0.5, 0.75, 1, 0, 0.5]))
    cells = dict(zip(zip(rows["part"], rows["at"], strict=True), rows["value"], strict=True))
    assert cells == {
        ("nothing", 0): 1, ("thinking", 1): 0.5, ("matched", 1): 0.75, ("random", 1): 1,
        ("thinking", 2): 0, ("matched", 2): 0.5,
    }  # fmt: skip
    assert rows["words"].to_list()[-1] == "we it"


def made(
    values: dict[tuple[str, float | None], list[float]], measure: str = "accuracy"
) -> pl.DataFrame:
    found = [
        (f"p{i}", f"p{i}#0", part, measure, at, value)
        for (part, at), column in values.items()
        for i, value in enumerate(column)
    ]
    columns = ["problem_id", "trace_id", "part", "measure", "at", "value"]
    return pl.DataFrame(found, schema=columns, orient="row", infer_schema_length=None)


def test_the_cost_of_thinking_words_is_that_beyond_each_control():
    frame = made(
        {
            ("nothing", 0.0): [1] * 12,
            ("thinking", 2.0): [0.2] * 6 + [0.4] * 6,
            ("matched", 2.0): [0.5] * 12,
            ("random", 2.0): [0.9] * 12,
        }
    )
    found = {(row["part"], row["measure"]): row for row in effects(frame, AGREEMENT)}
    assert found["matched − thinking", "cost"]["value"] == pytest.approx(0.2)
    assert found["random − thinking", "cost"]["value"] == pytest.approx(0.6)
    assert found["matched − thinking", "cost"]["low"] > 0
    assert found["thinking", "accuracy"]["n_problems"] == 12


def test_recycling_is_at_words_and_at_as_many_others():
    twice = Twice(
        Recycling(CHOICE, 2, 0.5, 4, "answer"), 1, {"thinking": (" Wait",), "matched": (" we",)}
    )
    wants = twice.wants(TRACE, Evidence(4, "", ()))
    assert [w.condition for w in wants] == [
        Condition(),
        Condition(under=(Recycle(1, (" Wait",)),)),
        Condition(under=(Recycle(1, (" we",)),)),
    ]
    rows = twice.rows(TRACE, gathered(wants, [0.5, 0.75, 0.25]))
    assert rows.select("part", "value").rows() == [
        ("once", 0.5),
        ("thinking", 0.75),
        ("matched", 0.25),
    ]


def test_a_trace_goes_on_behind_its_reasoning_with_each_word():
    behind = Behind(Scaling(CHOICE, 1, 4, 50, "end"), {"thinking": (" Wait",), "matched": (" we",)})
    wants = behind.wants(TRACE, Evidence(4, "", ()))
    assert [(w.boundary, w.append, w.most) for w in wants] == [
        (2, "", 50),
        (2, " Wait", 50),
        (2, " we", 50),
    ]
    wrong = replace(TRACE, correct=False)
    rows = behind.rows(wrong, gathered(wants, [0.5, 1, 0]))
    assert rows.select("part", "value").rows() == [
        ("first answer", 0), ("no word", 0.5), ("thinking", 1), ("matched", 0),
    ]  # fmt: skip
    frame = made(
        {(part, None): [value] * 12 for part, value in rows.select("part", "value").iter_rows()}
    )
    by_part = {
        row["part"]: row["value"] for row in gains(frame, AGREEMENT) if row["measure"] == "gain"
    }
    assert by_part == pytest.approx(
        {"thinking − first answer": 1, "thinking − no word": 0.5, "thinking − matched": 1}
    )
