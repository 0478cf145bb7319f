"""Replicas: which rollouts are asked for again, and how alike both sides are, by hand."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from harness.core import (
    Cut,
    Draw,
    Embed,
    Evidence,
    Rollouts,
    RolloutText,
    SentenceScores,
    UserError,
)
from harness.evidence.draws.arms import declare, meanings
from harness.evidence.example import NONE
from harness.evidence.recorder import Recorder, start_of
from harness.evidence.requests import requests
from harness.interventions.repeated.likeness import again_of, alike, alike_rollouts, as_the_run
from harness.interventions.replica import Repeated, Replica
from harness.interventions.validation.intervention import About
from harness.interventions.validation.results import dressed
from harness.models.model import Model
from harness.store import schema
from tests.harness.interventions.made import AGREEMENT, trace
from tests.harness.run.test_job import written

CONF = Replica(0.1, ("share",), ("topk", "spearman"), 4)
MODEL = Model("m", "base", None, "float32", "cpu", "{question}", "", "", "", False, {}, ())
N = 12


@dataclass(frozen=True)
class Share:
    """The share of right answers behind a sentence."""

    family = "interpretability"
    signed = False

    def wants(self, trace, have):
        return [Draw(k, have.draws, arm="a") for k in range(len(trace.sentences))]

    def score(self, trace, evidence):
        right = [evidence.rollouts["a", k].correct.mean() for k in range(len(trace.sentences))]
        return SentenceScores(np.array(right))


def drawn(answers: str, lengths: tuple[int, ...] | None = None, passing: tuple[int, ...] = ()):
    n = len(answers)
    counts = None if lengths is None else np.array(lengths)
    right = np.array([answer == "1" for answer in answers])
    return Rollouts(
        np.arange(n), tuple(answers), right, ("",) * n, passing=frozenset(passing), n_tokens=counts
    )


def about(**changes: Any) -> About:
    traces = tuple(trace(f"p{i}", [None] * 3) for i in range(40))
    known = {"detectors": {"share": Share()}, "traces": traces} | changes
    return replace(About(MODEL, 4, (), 2, {}, frozenset(), lambda _: ()), **known)


def test_a_replica_has_the_seeds_and_prefixes_of_the_run_the_other_way_round(recorder: Recorder):
    one = written(recorder)[0]
    start, last = start_of(one), len(one.sentences)
    wanted = [Draw(k, 5, arm="a") for k in range(last + 1)]
    own = list(requests(recorder, start, wanted))
    other = list(requests(recorder, start, [again_of(want) for want in wanted]))
    assert len(own) == 3 * (last + 1)  # chunks of two

    def what(asked):
        return [(r.seed, r.prefix, r.draws, r.max_length, r.until, r.key[2:]) for r in asked]

    assert what(other) == what(own)[::-1]
    assert {r.key[1] for r in other} == {"replica-a"}
    assert len({r.seed for r in own}) == len(own)


def test_an_arm_says_whose_seeds_it_has_and_older_folders_go_on(recorder: Recorder):
    want = Draw(0, 2, arm="a")
    assert "seeded" not in meanings([want], recorder.sampling)["a"]
    assert meanings([again_of(want)], recorder.sampling)["replica-a"]["seeded"] == "a"
    declare(recorder.run, "t", [again_of(want)], recorder.sampling)
    with pytest.raises(UserError, match="arm replica-a of t was drawn with seeded='a'"):
        declare(recorder.run, "t", [replace(again_of(want), seeded="b")], recorder.sampling)


@pytest.mark.parametrize("more", [{"of": "b"}, {"after": (Cut(0, (1,)),)}, {"seeded": "a"}])
def test_only_rollouts_behind_the_trace_take_the_seeds_of_another_arm(more: dict[str, Any]):
    with pytest.raises(UserError, match=r"^arm a: only rollouts behind the trace itself"):
        Draw(0, 1, arm="a", **({"seeded": "b"} | more))


def test_what_is_the_same_is_counted_where_it_was_drawn():
    # draw 0 alike, 1 of the same text in other tokens, 2 another answer, 3 passes on one side
    have = Evidence(
        4, "", (),
        rollouts={
            ("a", 0): drawn("1110", (3, 3, 3, 3)),
            ("replica-a", 0): drawn("1101", (3, 4, 3, 3), passing=(3,)),
        },
        answers={
            RolloutText("a", 0, 4): {0: "x", 1: "x", 2: "x", 3: "x"},
            RolloutText("replica-a", 0, 4): {0: "x", 1: "x", 2: "y", 3: "y"},
        },
    )  # fmt: skip
    text, answer = alike_rollouts(have)
    assert (text["part"], text["measure"], text["n"]) == ("a", "same rollout", 3)
    assert text["value"] == pytest.approx(1 / 3)
    assert (answer["measure"], answer["n"]) == ("same answer", 3)
    assert answer["value"] == pytest.approx(2 / 3)


def test_likeness_is_that_of_the_comparison_of_methods():
    a = np.arange(12.0)
    assert alike(a, a, "topk", AGREEMENT) == pytest.approx((1, 1))
    assert alike(a, -a, "spearman", AGREEMENT) == pytest.approx((-1, 1))
    # of 12 the top are 3; two of them in common, 3/12 by chance: (2/3 − 1/4) / (3/4)
    b = a.copy()
    b[[0, 9]] = b[[9, 0]]
    assert alike(a, b, "topk", AGREEMENT) == pytest.approx(((2 / 3 - 1 / 4) / (3 / 4), 1))
    # two tie for the third place: with itself 2 + 2 · 1/4 of 3 in common
    tied = np.minimum(np.maximum(a, 9), 11)
    tied[8], tied[:8] = 9, 0
    own = ((2 + 2 * 0.25) / 3 - 1 / 4) / (3 / 4)
    assert alike(tied, tied, "topk", AGREEMENT) == pytest.approx((own, own))
    for undefined in (np.ones(12), np.full(12, np.nan)):
        assert np.isnan(alike(a, undefined, "topk", AGREEMENT)).any()


def test_the_rollouts_that_are_asked_for():
    one = trace("p", [None, None])
    ready = Repeated(CONF, {"share": Share()}, frozenset({one.id}))
    assert ready.wants(trace("q", [None]), Evidence(2, "", ())) == []
    # the run lacks boundary 1: nothing of it is drawn here
    assert ready.wants(one, Evidence(2, "", (), rollouts={("a", 0): drawn("11")})) == []
    assert ready.rows(one, Evidence(2, "", ())).is_empty()
    run = {("a", k): drawn("11") for k in range(2)}
    wanted = ready.wants(one, Evidence(2, "", (), rollouts=run))
    own = [Draw(k, 2, arm="a") for k in range(2)]
    again = [Draw(k, 2, arm="replica-a", seeded="a") for k in range(2)]
    assert wanted == [*own, *again]
    planned = ready.wants(one, Evidence(2, "", (), rollouts={("a", k): NONE for k in range(2)}))
    assert planned == wanted
    there = run | {("replica-a", k): drawn("11") for k in range(2)}
    last = ready.wants(one, Evidence(2, "", (), rollouts=there))
    assert last[4:] == [RolloutText(arm, k, 2) for k in range(2) for arm in ("a", "replica-a")]
    assert set(as_the_run(Evidence(2, "", (), rollouts=there)).rollouts) == set(run)


def test_scores_of_both_sides_and_of_halves_by_hand():
    ready = Repeated(CONF, {"share": Share()}, frozenset({f"p{i}#0" for i in range(N)}))
    found = []
    for i in range(N):
        one, rollouts, texts = trace(f"p{i}", [None] * 9), {}, {}
        for k in range(9):
            answers = "1" * k + "0" * (9 - k)  # the share of right answers rises
            other = answers if k else "1" * 9  # the lowest becomes the highest
            rollouts |= {("a", k): drawn(answers), ("replica-a", k): drawn(other)}
            texts |= {RolloutText("a", k, 9): dict.fromkeys(range(9), "x")}
            texts |= {RolloutText("replica-a", k, 9): dict.fromkeys(range(9), "x")}
        rows = ready.rows(one, Evidence(9, "", (), rollouts=rollouts, answers=texts))
        known = {"trace_id": one.id, "problem_id": one.problem.id, "fold": None}
        found.append(dressed(rows, schema.VALIDATION, known))
    summary = ready.summary(pl.concat(found), AGREEMENT)
    first = summary.row(0, named=True)
    assert (first["part"], first["measure"], first["method"]) == ("replica", "topk lost", "share")
    # of 9 the top are 3: one place of three is lost, 3/9 by chance
    seen = summary.filter(part="replica", measure="topk")["value"].item()
    assert seen == pytest.approx((2 / 3 - 1 / 3) / (2 / 3))
    assert first["value"] == pytest.approx(1 - seen)
    assert (first["low"], first["high"], first["n_problems"]) == (*[first["value"]] * 2, N)
    rank = summary.filter(part="replica", measure="spearman")["value"].item()
    moved = 8**2 + 8 * 1  # one by eight places, eight by one
    assert rank == pytest.approx(1 - 6 * moved / (9 * 80))
    halves = summary.filter(part="halves of the run", measure="topk")["value"].item()
    assert seen < halves < 1
    shares = dict(summary.filter(part="a").select("measure", "value").iter_rows())
    assert shares == {"same rollout": 1.0, "same answer": pytest.approx(1 - 9 / 81)}


def test_without_rollouts_it_says_so():
    ready = Repeated(CONF, {"share": Share()}, frozenset({"p#0"}))
    one = trace("p", [None])
    known = {"trace_id": one.id, "problem_id": "p", "fold": None}
    rows = dressed(ready.rows(one, Evidence(2, "", ())), schema.VALIDATION, known)
    row = ready.summary(rows, AGREEMENT).row(0, named=True)
    assert (row["value"], row["n_problems"]) == (None, 0)
    assert row["reason"] == "no trace has all its rollouts in the run"


def test_who_takes_part():
    ready = CONF.prepared(about())
    assert isinstance(ready, Repeated)
    assert len(ready.traces) == 4
    assert CONF.prepared(about()).traces == ready.traces  # by their names alone
    few = about(traces=about().traces[:3])
    assert len(CONF.prepared(few).traces) == 2
    assert len(CONF.prepared(about(traces=about().traces[:1])).traces) == 1
    with pytest.raises(UserError, match=r"none of validate\.replica\.drawn \(share\)"):
        CONF.prepared(about(detectors={}))


@pytest.mark.parametrize(
    "asked",
    [
        [],
        [Embed(("x",), "e")],
        [Draw(0, 1), RolloutText("resample", 0, 1)],
        [Draw(0, 1), Draw(0, 1, arm="b", of="resample")],
    ],
)
def test_who_rests_on_more_is_refused(asked: list[Any]):
    @dataclass(frozen=True)
    class Other(Share):
        def wants(self, trace, have):
            return asked

    with pytest.raises(UserError, match=r"^share is not made of rollouts behind the trace alone"):
        CONF.prepared(about(detectors={"share": Other()}))


def test_an_engine_that_has_no_replica_is_refused_before_anything_else():
    def refuse() -> None:
        raise UserError("engine=hf gives the same rollouts")

    with pytest.raises(UserError, match=r"^engine=hf gives the same"):
        CONF.prepared(about(detectors={}, check_replica=refuse))
