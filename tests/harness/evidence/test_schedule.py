"""Coupled boundaries: who stands for whom, on paper, in simulation and with a tiny real model."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from harness.core import Cut, Draw, Evidence, Rollouts, SentenceScores, Trace, Want
from harness.evidence.gather import Gatherer
from harness.evidence.recorder import start_of
from harness.evidence.requests import Recorder
from harness.evidence.schedule import boundaries_reached, couples, to_draw
from harness.evidence.wants import answered
from harness.run.progress import Meter
from harness.run.rounds import Job
from harness.run.sampling import gather
from harness.run.scoring import halves
from harness.store import rollouts as recorded
from harness.store.files import parts
from harness.store.schema import ROLLOUTS
from harness.store.scores import score_file_of
from tests.harness.run.test_job import engine, written

pytestmark = pytest.mark.slow

STOPS, IDS = (0, 2, 3, 5), (7, 8, 9, 4, 5, 6)


@pytest.mark.parametrize(
    ("boundary", "ids", "found"),
    [
        (0, (7, 8, 9, 4, 1), [(1, (9, 4, 1)), (2, (4, 1))]),
        (0, (7, 8, 9, 4, 5), [(1, (9, 4, 5)), (2, (4, 5)), (3, ())]),
        (0, (7, 1, 9), []),
        (0, (7,), []),
        (1, (9, 4, 5, 0), [(2, (4, 5, 0)), (3, (0,))]),
        (3, (6, 6), []),
    ],
)
def test_how_far_a_rollout_goes_in_the_words_of_the_trace(boundary, ids, found):
    assert list(boundaries_reached(STOPS, IDS, boundary, ids, 8)) == found


def test_a_rollout_stands_for_none_at_the_boundaries_where_all_are_drawn():
    assert list(boundaries_reached(STOPS, IDS, 0, (7, 8, 9, 4), 2)) == [(1, (9, 4))]
    assert list(boundaries_reached(STOPS, IDS, 0, (7, 8, 9, 4), 1)) == []


def test_only_draws_that_go_on_are_coupled():
    assert couples("coupled", Draw(0, 1))
    assert couples("coupled", Draw(0, 1, "answer"))
    for want in (Draw(0, 1, "sentence"), Draw(0, 1, append="x"), Draw(0, 1, after=(Cut(0, (1,)),))):
        assert not couples("coupled", want)
    assert not couples("fixed", Draw(0, 1))
    assert not couples("allocated", Draw(0, 1))


def test_a_draw_is_due_once_the_one_before_it_is_there():
    most = {("resample", k): 2 for k in range(4)}
    there = {("resample", 0, Cut(1)), ("resample", 1, Cut(0))}
    assert to_draw(Draw(0, 2), most, there, 8) == [Cut(0), Cut(1)]
    assert to_draw(Draw(1, 2), most, there, 8) == [Cut(1)]
    assert to_draw(Draw(2, 2), most, there, 8) == [Cut(0)]
    assert to_draw(Draw(2, 2), most, there, 2) == [Cut(0), Cut(1)]
    del most["resample", 2]
    assert to_draw(Draw(3, 2), most, there, 8) == [Cut(0), Cut(1)]


# A chain whose exact answers are known: every sentence is one of two tokens, the answer the last.

FLIP = 0.15


def walk(rng: np.random.Generator, before: int, length: int) -> tuple[int, ...]:
    """Sentences that mostly repeat the one before."""
    made = [before]
    for _ in range(length):
        made.append(made[-1] ^ int(rng.random() < FLIP))
    return tuple(made[1:])


def swept(rng: np.random.Generator, own: Sequence[int], draws: int, stretch: int) -> np.ndarray:
    """The answers at every boundary; -1 marks none. Sampled round by round as `due` says."""
    n = len(own)
    found, fresh = np.full((n + 1, draws), -1), 0
    for k in range(n + 1):
        for d in range(draws):
            if found[k, d] >= 0:
                continue
            ids, fresh = walk(rng, own[k - 1] if k else 0, n - k), fresh + 1
            last = (*own[:k], *ids)[-1]
            found[k, d] = last
            for place, _ in boundaries_reached(range(n + 1), own, k, ids, stretch):
                found[place, d] = last
    return np.append(found, np.full((1, draws), fresh), axis=0)


def test_shares_are_those_of_draws_of_its_own_and_fewer_are_made():
    """P(answer = 1) behind k sentences is known; the chain is drawn again 400 times."""
    rng, own, draws, times = np.random.default_rng(0), (0, 0, 1, 1, 1), 10, 400
    every = np.array([swept(rng, own, draws, 8) for _ in range(times)])
    for k, last in enumerate((0, *own)):
        even = (1 + (1 - 2 * FLIP) ** (len(own) - k)) / 2  # of ending as it stands
        p = even if last else 1 - even
        mean = every[:, k].mean()
        assert mean == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / (times * draws)) + 1e-9)
        spread = every[:, k].mean(axis=1).var()
        assert spread == pytest.approx(p * (1 - p) / draws, rel=0.3, abs=1e-9)
    made = every[:, -1, 0].mean() / (draws * (len(own) + 1))
    # Of the five boundaries behind the first, four are reached by .85 of the draws before.
    expected = (1 + 4 * FLIP + (1 - FLIP)) / 6
    assert made == pytest.approx(expected, abs=0.03)


# With a model


@pytest.fixture
def coupled(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Short sentences and little heat, so that some rollouts write what the trace wrote."""
    sampling = replace(recorder.sampling, schedule="coupled", stretch=3, temperature=0.35, draws=12)
    return replace(recorder, sampling=sampling)


class Sweep:
    """Wants all draws at every boundary; scores how many there are behind a sentence."""

    family, signed = "test", False

    def wants(self, trace: Trace, have: Evidence) -> list[Want]:
        return [Draw(k, have.draws) for k in range(len(trace.sentences) + 1)]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        boundaries = range(1, len(trace.sentences) + 1)
        found = [len(evidence.rollouts["resample", k]) for k in boundaries]
        return SentenceScores(np.array(found, dtype=np.float64))


def test_every_boundary_has_all_its_draws_and_says_where_they_are_from(coupled: Recorder) -> None:
    made, n = written(coupled), coupled.sampling.draws
    score_files = {"sweep": score_file_of(coupled.run, "sweep", "x")}
    Job(Gatherer(coupled, ()), engine(coupled, 64), made, {"sweep": Sweep()}, score_files, 2).run()
    shared = 0
    for trace in made:
        stops = start_of(trace).stops
        frame = parts(coupled.folder(trace.id), ROLLOUTS)
        rows = {(r["boundary"], r["draw"]): r for r in frame.iter_rows(named=True)}
        assert len(frame) == len(rows) == n * len(stops)
        loaded = recorded.load(coupled.folder(trace.id))
        for (k, draw), row in rows.items():
            origin, ids = rows[row["origin"], draw], tuple(row["token_ids"])
            between = trace.token_ids[stops[row["origin"]] : stops[k]]
            assert tuple(origin["token_ids"]) == (*between, *ids)
            assert (row["answer"], row["seed"]) == (origin["answer"], origin["seed"])
            spans = coupled.spans(coupled.subject.decode(ids))
            text = coupled.subject.decode(ids)
            assert row["first_sentence"] == (text[: spans[0][1]].strip() if spans else "")
            assert (draw in loaded["resample", k].passing) == (row["origin"] < k)
            assert k % 3 or row["origin"] == k
            shared += row["origin"] < k
        own = frame.filter(pl.col("origin") == pl.col("boundary"))["n_tokens"].sum()
        assert own <= score_files["sweep"].status["tokens"]
    assert shared > 0
    assert score_files["sweep"].frames[made[0].id]["score"].unique().to_list() == [n]


def test_what_was_cut_off_goes_on_as_if_it_had_not_been(coupled: Recorder, tmp_path: Path) -> None:
    trace = written(coupled)[0]
    wanted = [Draw(k, 6) for k in range(len(trace.sentences) + 1)]
    start = start_of(trace)

    def rounds(recorder: Recorder, *wants: Sequence[Draw]) -> list[tuple[object, ...]]:
        for want in wants:
            while left := [w for w in want if missing(recorder, w)]:
                gather(recorder, engine(recorder, 64), [(start, left)], Meter("test", None))
        frame = parts(recorder.folder(trace.id), ROLLOUTS).sort("boundary", "draw")
        return list(frame.select("boundary", "draw", "origin", "token_ids").iter_rows())

    def missing(recorder: Recorder, want: Draw) -> bool:
        return not answered(want, Gatherer(recorder, ()).start(trace))

    whole = rounds(coupled, wanted)
    other = replace(coupled, run=tmp_path / "other")
    some = [Draw(k, 2) for k in range(len(trace.sentences) + 1)]
    assert rounds(other, some, wanted) == whole


def test_a_shared_rollout_is_in_one_half_at_both_boundaries() -> None:
    drawn = Rollouts(np.arange(9), ("a",) * 9, np.zeros(9, bool), ("b",) * 9)
    passing = replace(drawn, passing=frozenset({1, 4}))
    have = Evidence(9, "", (), {("resample", 0): drawn, ("resample", 1): passing})
    for pair in halves("t", have, 5):
        for half in pair:
            part = have.subset(half)
            draws = [part.rollouts["resample", k].draw.tolist() for k in (0, 1)]
            assert draws[0] == draws[1]
            assert part.rollouts["resample", 1].passing == passing.passing & set(draws[0])
