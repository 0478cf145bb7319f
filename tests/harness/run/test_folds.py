"""Folds, and the job of a detector that learns: fitted on the others, recorded all at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import PLAIN, Condition
from harness.core import (
    Attend,
    Compare,
    Draw,
    Embed,
    Evidence,
    Read,
    Reading,
    ReadText,
    Rollouts,
    SentenceScores,
    Suppress,
    Trace,
    UserError,
)
from harness.evidence.gather import Gatherer
from harness.evidence.requests import Recorder
from harness.evidence.wants import restricted
from harness.run.folds import Learner, facts, folds
from harness.run.rounds import Job
from harness.store import schema
from harness.store.reading import read_json
from harness.store.scores import ScoreFile, score_file_of
from tests.harness.run.test_job import engine, written

BASE = Condition("base")


@settings(max_examples=30)
@given(st.sets(st.text("ab/0", min_size=1), min_size=1, max_size=20), st.integers(2, 5))
def test_a_problems_fold_is_its_own_whatever_others_there_are(names: set[str], n: int) -> None:
    found = folds(sorted(names), n)
    assert found == {k: v for name in names for k, v in folds([name], n).items()}
    assert set(found.values()) <= set(range(n))


def test_where_all_problems_are_in_one_fold_that_is_said() -> None:
    with pytest.raises(UserError, match=r"calibration\.folds: all 1 problems are in one fold"):
        Learner(Memory()).fitted({"q0": 1})


@dataclass(frozen=True)
class Memory:
    """Scores each sentence by how many traces it learnt from; says which they were."""

    seen: tuple[str, ...] = ()
    family: str = "test"
    signed: bool = False

    def wants(self, trace: Trace, have: Evidence) -> list[Read]:
        return [Read(entropy=True)]

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> "Memory":
        assert all(e.reading.entropy is not None for e in evidence)
        return replace(self, seen=tuple(t.problem.id for t in traces))

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        assert trace.problem.id not in self.seen
        n = len(trace.sentences)
        if trace.problem.id == "q0":
            return SentenceScores(np.full(n, np.nan), reason="it is q0")
        matrix = np.where(np.tri(n), np.tri(n, k=-1), np.nan)
        return SentenceScores(np.full(n, float(len(self.seen))), matrix=matrix)

    @property
    def facts(self) -> dict[str, Any]:
        return {"seen": list(self.seen)}


def job(recorder: Recorder, made: Sequence[Trace], score_file: ScoreFile, own: object) -> Job:
    return Job(
        Gatherer(recorder, ()), engine(recorder), made, {"memory": own}, {"memory": score_file}, 2
    )


def test_every_problem_is_scored_by_what_was_learnt_on_others(recorder: Recorder) -> None:
    made = written(recorder)
    job(recorder, made, score_file_of(recorder.run, "memory", "x"), Memory()).run()
    status = read_json(recorder.run / "status" / "memory.json")
    assert (status["state"], status["traces"], status["passes"]) == ("done", 3, 3)
    learnt = [set(fold["seen"]) for fold in status["facts"]]
    assert learnt[0] | learnt[1] == {"q0", "q1", "q2"}
    assert not learnt[0] & learnt[1]
    assert status["undefined"] == {"it is q0": 1}
    scores = pl.read_parquet(recorder.run / "scores" / "memory.parquet")
    fold_of = folds(["q0", "q1", "q2"], 2)
    for trace in made:
        values = set(scores.filter(trace_id=trace.id)["score"])
        others = sum(fold_of[name] != fold_of[trace.problem.id] for name in fold_of)
        assert trace.problem.id == "q0" or values == {float(others)}


def test_a_matrix_is_kept_cell_by_cell_without_the_undefined(recorder: Recorder) -> None:
    made = written(recorder)
    job(recorder, made, score_file_of(recorder.run, "memory", "x"), Memory()).run()
    found = pl.concat(map(pl.read_parquet, (recorder.run / "matrices" / "memory").iterdir()))
    assert found.schema == pl.Schema(schema.MATRICES)
    for trace in made[1:]:
        n, own = len(trace.sentences), found.filter(trace_id=trace.id)
        cells = {(i, j): float(j < i) for i in range(n) for j in range(i + 1)}
        keys = own.select("target", "source").rows()
        assert dict(zip(keys, own["value"], strict=True)) == cells
    assert set(found["trace_id"]) == {trace.id for trace in made[1:]}


class Broken(Memory):
    """Fails at the second trace that it scores."""

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        if trace.problem.id == "q1":
            raise KeyboardInterrupt
        return super().score(trace, evidence)


def test_nothing_is_recorded_before_all_is(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.store.scores.FLUSH", 0.0)
    made, score_file = written(recorder), score_file_of(recorder.run, "memory", "x")
    with pytest.raises(KeyboardInterrupt):
        job(recorder, made, score_file, Broken()).run()
    assert not (recorder.run / "scores" / "memory.parquet").exists()
    job(recorder, made, score_file_of(recorder.run, "memory", "x"), Memory()).run()
    again = score_file_of(recorder.run, "memory", "x")
    assert len(again.frames) == 3
    done = job(recorder, made, again, Broken())
    assert not done.open(made[1])
    done.run()
    assert again.status["undefined"] == {"it is q0": 1}


def test_facts_are_those_of_the_copies_that_state_some(recorder: Recorder) -> None:
    made = written(recorder)
    learner = Learner(Memory())
    for trace in made:
        learner.keep(trace, Evidence(1, "", (), readings={PLAIN: Reading(np.zeros(1))}))
    copies = learner.fitted(folds([t.problem.id for t in made], 2))
    assert [set(f) for f in facts(copies)] == [{"seen"}, {"seen"}]


def test_only_what_is_wanted_is_kept() -> None:
    row, none = np.zeros(3), Rollouts(np.zeros(0, int), (), np.zeros(0, bool), ())
    attends, masks = [Attend(max), Attend(min)], [Suppress(False, 1.0), Suppress(True, 1.0)]
    compares, texts = (
        [Compare(PLAIN, Condition("a")), Compare(Condition("a"), PLAIN)],
        [ReadText("x"), ReadText("y")],
    )
    states = {layer: np.zeros((3, 2)) for layer in (0, 1)}
    have = Evidence(
        1, "", (),
        rollouts={("a", 0): none, ("b", 0): none},
        readings={
            PLAIN: Reading(row, row, states),
            BASE: Reading(row, row, states),
            Condition("rl"): Reading(row),
        },
        answers=dict.fromkeys([*compares, *attends, *masks, *texts], row),
        embeddings={("m", "x"): row, ("m", "y"): row},
    )  # fmt: skip
    wants = [
        Draw(0, 1, arm="a"),
        Read(states=(1,)),
        Read(entropy=True, condition=BASE),
    ]
    wants += [compares[0], attends[0], masks[0], texts[0], Embed(("x",), "m")]
    kept = restricted(have, wants)
    assert set(kept.rollouts) == {("a", 0)}
    assert set(kept.reading.states) == {1}
    assert set(kept.readings) == {PLAIN, BASE}
    assert kept.readings[BASE].states == {}
    assert set(kept.answers) == {compares[0], attends[0], masks[0], texts[0]}
    assert set(kept.embeddings) == {("m", "x")}
    assert restricted(have, []).reading.entropy is None
