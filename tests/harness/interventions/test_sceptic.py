"""The sceptic's controls on evidence by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from harness.core import (
    NO_ANSWER,
    Cut,
    Donor,
    Draw,
    Edit,
    Evidence,
    Likelihood,
    Rollouts,
    RolloutText,
    Sentence,
    Sentences,
    UserError,
)
from harness.interventions.sceptic import Doubting, Sceptic
from harness.interventions.validation.intervention import About
from harness.interventions.validation.results import dressed
from harness.store import schema
from tests.harness.interventions.made import AGREEMENT, trace

TRACE = replace(
    trace("p", [None] * 2),
    sentences=(Sentence("We add 2.", 0, 2, None), Sentence(" So 1.", 2, 4, None)),
)
OTHER = trace("q", [None])
CONF = Sceptic("}", 4, "answer", 1, 1, 1, ("Ω", " Hm."), (" …",), 5, (0.0, 1.0), 0)


def about(*traces: Any, **more: Any) -> About:
    known: dict[str, Any] = {"decoded": lambda ids: bytes(ids).decode(), "context": 4096}
    spelled = lambda text: tuple(text.encode() if text.isascii() else b"?")  # noqa: E731
    return About(None, 2, traces, 2, {}, frozenset(), spelled, **known | more)


def ready(*traces: Any, **more: Any) -> Doubting:
    return CONF.prepared(about(*traces, **more))


def drawn(right: list[bool], answers: list[str] | None = None) -> Rollouts:
    n = len(right)
    said = tuple(answers or ["1" if r else "2" for r in right])
    return Rollouts(np.arange(n), said, np.array(right), ("x",) * n)


DONORS = (Donor(OTHER.problem, ("Now 5.",), "5", True),)
BEHIND = {"We add 2. So 1.": 0.9, "Now 5.": 0.1, "So 3.": 0.2}  # P of the gold answer


def gathered(one: Doubting, of: Any = TRACE, donors: Any = DONORS) -> Evidence:
    """What is asked for until nothing more is: a body's P as above, .5 behind any other."""
    have = Evidence(4, "force", (), donors=donors)
    for _ in range(4):
        answers, rollouts = dict(have.answers), dict(have.rollouts)
        sentences = dict(have.sentences)
        for want in one.wants(of, have):
            if isinstance(want, Likelihood):
                edits = want.condition.edits
                ends = want.boundaries or (0, 1, 2)
                p = BEHIND.get(edits[0].text, 0.5) if edits else BEHIND["We add 2. So 1."]
                start = [0.05 if k == 0 and not edits else p for k in ends]
                answers[want] = np.log(start)
            elif isinstance(want, Draw):
                right = [True] * 3 + [False] if want.boundary else [True, False, True, False]
                rollouts[want.arm, want.boundary] = drawn(right)
            elif isinstance(want, RolloutText):
                answers[want] = dict.fromkeys(range(want.n), "So 3.</think>")
            elif isinstance(want, Sentences):
                sentences |= {(want.arm, 0, Cut(d)): ("So 3.",) for d in range(want.n)}
        have = replace(have, answers=answers, rollouts=rollouts, sentences=sentences)
    return have


def values(rows: pl.DataFrame, measure: str) -> dict[str, float]:
    some = rows.filter(pl.col("measure") == measure, pl.col("at").is_null())
    return dict(some.group_by("part").agg(pl.col("value").mean()).iter_rows())


def test_every_control_forced_and_redrawn():
    one = ready(TRACE, OTHER)
    rows = one.rows(TRACE, gathered(one))
    forced, redrawn = values(rows, "P(correct), forced"), values(rows, "P(correct), redrawn")
    assert forced == pytest.approx(
        {"TRUE": 0.9, "NONE": 0.05, "SWAP": 0.1, "SWAP-SELF": 0.2, "SHUFFLE": 0.5,
         "MISTAKE": 0.5, "FILLER neutral": 0.5}
    )  # fmt: skip
    assert redrawn.pop("NONE") == 0.5
    assert set(redrawn.values()) == {0.75}
    assert redrawn.keys() == forced.keys() - {"NONE"}
    assert values(rows, "log p of gold")["TRUE"] == pytest.approx(np.log(0.9))
    cut = rows.filter(part="TRUE, cut", measure="P(correct), forced").sort("at")
    assert cut["at"].to_list() == [0, 0.5, 1]
    assert cut["value"].to_list() == pytest.approx([0.05, 0.9, 0.9])


def test_a_body_stands_for_all_sentences_and_the_gold_answer_is_closed():
    one = ready(TRACE, OTHER)
    wants = one.wants(TRACE, gathered(one))
    swapped = [w for w in wants if not isinstance(w, RolloutText | Sentences)]
    edits = {w.condition.edits for w in swapped}
    assert (Edit(0, 2, "Now 5."),) in edits
    assert (Edit(0, 2, " So 1.We add 2."),) in edits
    texts = {w.text for w in wants if isinstance(w, Likelihood)}
    assert texts == {"1}"}
    arms = [(w.arm, w.boundary) for w in wants if isinstance(w, Draw)]
    assert len(set(arms)) == len(arms) == 7


def test_what_cannot_be_done_is_said():
    alone = ready(TRACE)
    assert alone.notes["SWAP"] == "one problem only: there is no other one's trace"
    assert alone.notes["FILLER dots"] == "the model's tokenizer can spell none of its texts"
    assert list(alone.fillers) == ["neutral"]
    mute = replace(TRACE, problem=replace(TRACE.problem, answer=NO_ANSWER))
    with pytest.raises(UserError, match=r"^needs gold answers, and no problem of the run has one$"):
        ready(mute, replace(OTHER, problem=mute.problem))
    one = ready(TRACE, OTHER)
    assert one.wants(mute, Evidence(4, "", ())) == []
    assert one.rows(mute, Evidence(4, "", ())).is_empty()


def test_nothing_is_drawn_behind_what_fills_the_context():
    one = ready(TRACE, OTHER, context=len(TRACE.prompt_ids) + len("Now 5."))
    have = gathered(one)
    behind = [w for w in one.wants(TRACE, have) if isinstance(w, Draw) and w.condition.edits]
    assert {w.condition.edits[0].text for w in behind} == {"So 3.", " Hm."}
    rows = one.rows(TRACE, have)
    assert "SWAP" in values(rows, "P(correct), forced")
    assert "SWAP" not in values(rows, "P(correct), redrawn")


def frame(one: Doubting, traces: list[Any]) -> pl.DataFrame:
    parts = [
        dressed(
            one.rows(t, gathered(one, t)),
            schema.VALIDATION,
            {"trace_id": t.id, "problem_id": t.problem.id, "fold": None},
        )
        for t in traces
    ]
    return pl.concat(parts).fill_nan(None)


def of(problem: str, correct: bool) -> Any:
    other = trace(problem, [None])
    return replace(TRACE, id=other.id, problem=other.problem, correct=correct)


def test_traces_that_ended_right_and_wrong_are_told_apart():
    traces = [of(f"r{i}", True) for i in range(12)] + [of(f"w{i}", False) for i in range(12)]
    one = ready(*traces)
    found = one.summary(frame(one, traces), AGREEMENT)
    first = found.row(0, named=True)
    assert (first["part"], first["measure"]) == ("TRUE − SWAP", "P(correct), forced")
    assert first["value"] == pytest.approx(0.8)
    assert first["n_problems"] == 12
    assert found["part"][1] == "TRUE − NONE"
    assert "TRUE − SWAP (ended wrong)" in found["part"].to_list()
    share = found.filter(part="SHUFFLE", measure="share of TRUE − NONE, P(correct), forced")
    assert share["value"].item() == pytest.approx(0.45 / 0.85)
    cut = found.filter(part="TRUE, cut", measure="P(correct), forced")
    assert dict(zip(cut["at"], cut["value"], strict=True)) == pytest.approx({0: 0.05, 1: 0.9})


def test_without_a_right_trace_the_headline_says_so():
    traces = [of(f"w{i}", False) for i in range(12)]
    one = ready(*traces)
    found = one.summary(frame(one, traces), AGREEMENT)
    first = found.row(0, named=True)
    assert (first["part"], first["value"], first["reason"]) == (
        "TRUE − SWAP", None, "no trace ended right",
    )  # fmt: skip


def test_the_runs_own_rollouts_are_taken_where_it_has_them():
    one = replace(ready(TRACE, OTHER), drawn=Draw(3, 1, "end", "resample"))
    have = replace(Evidence(4, "", ()), rollouts={("resample", k): drawn([True]) for k in (0, 1)})
    draws = [w for w in one.wants(TRACE, have) if isinstance(w, Draw) and not w.condition.edits]
    assert draws == [
        Draw(0, 4, "end", "resample"),
        Draw(1, 4, "end", "resample"),
        Draw(2, 4, "answer", "sceptic-true"),
    ]
