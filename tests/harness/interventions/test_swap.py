"""Swap invariance on scores by hand."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from harness.core import Derived, Evidence, Problem, Read, SentenceScores, Trace, UserError
from harness.core.truth import Truth
from harness.interventions.swap import Swap, Swapped, kendall
from harness.interventions.validation.intervention import About, Variant
from harness.interventions.validation.results import dressed
from harness.store import schema
from tests.harness.interventions.made import AGREEMENT, trace

CONF = Swap("operation", (("more", "fewer"),), 3)


@dataclass(frozen=True)
class Fixed:
    """A detector that says something else behind each question."""

    right: tuple[float, ...]
    wrong: tuple[float, ...]
    family = "information"
    signed = False

    def wants(self, trace: Trace, have: Evidence) -> list[Any]:
        return [Read(entropy=True)]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        return SentenceScores(
            np.array(self.wrong if "fewer" in trace.text else self.right, np.float64)
        )


def asked(question: str, name: str = "p") -> Trace:
    made = trace(name, [None] * 4)
    return replace(made, problem=replace(made.problem, question=question), text=question)


RIGHT = asked("How many more?")
WRONG = replace(asked("How many fewer?"), id="p#0~wrong")
HAVE = Evidence(1, "", (), derived={"wrong": Derived(WRONG, Evidence(1, "", ()))})
SAME = Fixed((1, 2, 3, 4), (2, 3, 4, 9))
TURNED = Fixed((1, 2, 3, 4), (4, 3, 2, 1))
PART = Fixed((1, 2, 3, np.nan), (1, 3, 2, 5))


def truth(of: Trace, behind: Problem | None) -> Truth:
    values = np.array([0.0, 1, 2, 3]) if behind is None else np.array([0.0, 1, 3, 2])
    return Truth(("x",) * 4, values > 0, {"tv": values}, ())


def taus(detectors: dict[str, Any], truth: Any = None) -> dict[str, float]:
    rows = Swapped(CONF, detectors, frozenset(), truth).rows(RIGHT, HAVE)
    return dict(rows.select("method", "value").iter_rows())


def test_taus_by_hand():
    found = taus({"same": SAME, "turned": TURNED, "part": PART}, truth)
    assert found["same"] == 1
    assert found["turned"] == -1
    assert found["part"] == pytest.approx(1 / 3)  # one of three pairs turned
    assert found["truth"] == pytest.approx(4 / 6)
    assert kendall(np.array([1.0, 2, 2]), np.array([1.0, 2, 3])) == pytest.approx(2 / 6**0.5)


def test_too_few_or_all_alike_is_undefined():
    found = taus(
        {"few": Fixed((1, np.nan, np.nan, 2), (1, 2, 3, 4)), "flat": Fixed((1,) * 4, (1, 2, 3, 4))}
    )
    assert np.isnan([*found.values()]).all()


def test_the_wrong_problem_is_the_same_with_another_operation():
    ready = Swapped(CONF, {"same": SAME}, frozenset())
    (variant,) = ready.variants(RIGHT, Evidence(1, "", ()))
    assert variant == Variant(
        "wrong", problem=replace(RIGHT.problem, id="p~wrong", question="How many fewer?")
    )
    silent = asked("How many?")
    assert ready.variants(silent, Evidence(1, "", ())) == []
    assert ready.rows(silent, Evidence(1, "", ())).is_empty()
    found = ready.summary(whole(ready, [silent], Evidence(1, "", ())), AGREEMENT)
    assert found["reason"].to_list() == ["no trace has a wrong problem"]


def whole(ready: Swapped, traces: list[Trace], have: Evidence) -> pl.DataFrame:
    parts = [
        dressed(
            ready.rows(t, have),
            schema.VALIDATION,
            {"trace_id": t.id, "problem_id": t.problem.id, "fold": 0},
        )
        for t in traces
    ]
    return pl.concat(parts).fill_nan(None)


def test_how_far_a_detector_is_above_the_truth():
    ready = Swapped(CONF, {"same": SAME, "turned": TURNED}, frozenset(), truth)
    traces = [
        replace(RIGHT, id=f"{i}", problem=replace(RIGHT.problem, id=f"{i}")) for i in range(6)
    ]
    found = ready.summary(whole(ready, traces, HAVE), AGREEMENT)
    above = found.filter(measure="tau-b − the truth's")
    assert dict(above.select("method", "value").iter_rows()) == pytest.approx(
        {"same": 1 / 3, "turned": -5 / 3}
    )
    assert found.filter(measure="tau-b", method="truth")["value"].item() == pytest.approx(2 / 3)


def about(*traces: Trace, detectors: Any) -> About:
    return About(None, 2, traces, 2, detectors, frozenset(), lambda text: (1,))


def test_what_a_run_lacks_is_said():
    with pytest.raises(UserError, match="no detector that reads the model alone"):
        CONF.prepared(about(RIGHT, detectors={}))
    silent = about(asked("How many?"), detectors={"same": SAME})
    with pytest.raises(UserError, match=r"^no question names one of validate\.swap\.operations"):
        CONF.prepared(silent)
    with pytest.raises(UserError, match=r"^one problem only"):
        replace(CONF, wrong="other").prepared(silent)
    assert isinstance(CONF.prepared(about(RIGHT, detectors={"same": SAME})), Swapped)
