"""Rollouts that are cut and continued, on a real tiny model: recorded once, resumed, shared."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from harness.core import (
    Condition,
    Cut,
    Departure,
    Draw,
    Edit,
    Evidence,
    Forbid,
    Mask,
    Recycle,
    Sentences,
    SentenceScores,
    Steer,
    Trace,
    UserError,
    Want,
)
from harness.core.config import target
from harness.engines.base import Finished, Request
from harness.evidence.draws.prefixes import prefix
from harness.evidence.gather import Gatherer
from harness.evidence.recorder import Recorder, start_of
from harness.evidence.requests import _extra, _request, requests
from harness.models.conditions import Forbidden, Recycled, Steered
from harness.run.progress import Meter
from harness.run.rounds import Job
from harness.run.sampling import gather
from harness.store import rollouts as recorded
from harness.store.files import add_part, parts
from harness.store.schema import ROLLOUTS
from harness.store.scores import ScoreFile, score_file_of
from harness.text.answers import canonical, extract
from tests.harness.run.test_job import Failing, engine, written

ARM = "resample"


@pytest.fixture
def trace(recorder: Recorder) -> Trace:
    return written(recorder)[0]


def sampled(recorder: Recorder, trace: Trace, *wants: Draw) -> None:
    gather(recorder, engine(recorder), [(start_of(trace), list(wants))], Meter("test", None))


def told(recorder: Recorder, trace: Trace) -> dict[recorded.Key, dict[str, object]]:
    """The recorded rows by what they are."""
    frame = parts(recorder.folder(trace.id), ROLLOUTS)
    rows = list(frame.iter_rows(named=True))
    return dict(zip(recorded._keys(frame), rows, strict=True))


def cut_somewhere(recorder: Recorder, trace: Trace, boundary: int) -> tuple[Cut, ...]:
    """Each of some rollouts before its last sentence."""
    rows = told(recorder, trace)
    n = {
        k: len(recorder.sentences(row["token_ids"])) for k, row in rows.items() if k[1] == boundary
    }
    return tuple(Cut(c.draw, (*c.sentences, size - 1)) for (_, _, c), size in n.items() if size)


def test_a_continuation_goes_on_from_before_the_sentence(recorder: Recorder, trace: Trace) -> None:
    sampled(recorder, trace, Draw(1, 4))
    cuts = cut_somewhere(recorder, trace, 1)
    assert len(cuts) == 4
    start = start_of(trace)
    asked = list(requests(recorder, start, [Draw(1, len(cuts), after=cuts)]))
    assert sorted(r.draws for r in asked) == [(0,), (1,), (2,), (3,)]
    assert len({r.seed for r in asked}) == len({r.key for r in asked}) == 4
    rows = told(recorder, trace)
    for request in asked:
        (draw,), sentence = request.draws, int(request.key[-1])
        whole = recorder.subject.decode(rows[ARM, 1, Cut(draw)]["token_ids"])
        cut = recorder.spans(whole)[sentence][0]
        assert recorder.subject.decode(request.extra) == whole[:cut]
        assert request.prefix[: request.cut] == trace.prompt_ids + trace.token_ids[: start.stops[1]]
        assert request.max_length == len(trace.prompt_ids) + recorder.sampling.max_tokens


def test_what_is_drawn_again_can_be_cut_again(recorder: Recorder, trace: Trace) -> None:
    sampled(recorder, trace, Draw(0, 3))
    first = cut_somewhere(recorder, trace, 0)
    sampled(recorder, trace, Draw(0, len(first), after=first))
    (once, *_) = first
    again = Cut(once.draw, (*once.sentences, 0))
    sampled(recorder, trace, Draw(0, len(first) + 1, after=(*first, again)))
    rows = told(recorder, trace)
    assert set(rows) == {(ARM, 0, c) for c in [*map(Cut, range(3)), *first, again]}
    # Cut before its own first sentence, it goes on from where its parent did.
    assert rows[ARM, 0, again]["seed"] != rows[ARM, 0, once]["seed"]
    found = recorded.continued(recorder.folder(trace.id))[ARM, 0]
    assert set(found.cuts) == {*first, again}
    assert [cut.draw for cut in found.cuts] == found.draw.tolist()
    # The plain rollouts of the arm are what they were.
    assert recorded.load(recorder.folder(trace.id))[ARM, 0].draw.tolist() == [0, 1, 2]


def test_the_answer_of_a_continuation_is_of_the_whole_text(
    recorder: Recorder, trace: Trace
) -> None:
    sampled(recorder, trace, Draw(0, 4))
    cuts = cut_somewhere(recorder, trace, 0)
    sampled(recorder, trace, Draw(0, len(cuts), after=cuts))
    rows = told(recorder, trace)
    start = start_of(trace)
    for cut in cuts:
        (request,) = requests_of(recorder, trace, cut)
        ids = (*trace.token_ids[: start.stops[0]], *request.extra, *rows[ARM, 0, cut]["token_ids"])
        text = recorder.subject.decode(ids)
        found = canonical(extract(text, recorder.problems.pattern))
        assert rows[ARM, 0, cut]["answer"] == found


def requests_of(recorder: Recorder, trace: Trace, cut: Cut) -> Iterator[Request]:
    """The request of a continuation as if it were not recorded."""
    start, want = start_of(trace), Draw(0, 1, after=(cut,))
    keys = {(ARM, 0, Cut(cut.draw, cut.sentences[:made])) for made in range(len(cut.sentences))}
    tokens = recorded.written(recorder.folder(trace.id), keys)
    place, extra = prefix(recorder.subject, start, want), _extra(recorder, want, [cut], tokens)
    yield _request(recorder, start, want, place, [cut], extra)


@pytest.mark.parametrize("after", [0, 2])
def test_what_was_cut_off_goes_on_and_nothing_twice(
    recorder: Recorder, trace: Trace, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.run.sampling.FLUSH", 0.0)
    sampled(recorder, trace, Draw(1, 4))
    cuts = cut_somewhere(recorder, trace, 1)
    want = Draw(1, len(cuts), after=cuts)
    start, meter = start_of(trace), Meter("test", None)
    with pytest.raises(KeyboardInterrupt):
        gather(recorder, Failing(engine(recorder), after), [(start, [want])], meter)
    assert len(told(recorder, trace)) == 4 + after
    sampled(recorder, trace, want)
    assert set(told(recorder, trace)) == {(ARM, 1, c) for c in [*map(Cut, range(4)), *cuts]}
    assert list(requests(recorder, start, [want])) == []


def test_draws_wanted_by_two_detectors_are_asked_for_once(recorder: Recorder, trace: Trace) -> None:
    start = start_of(trace)
    asked = list(requests(recorder, start, [Draw(0, 3), Draw(0, 5), Draw(1, 2)]))
    found = [(r.key[2], draw) for r in asked for draw in r.draws]
    assert sorted(found) == [("0", d) for d in range(5)] + [("1", 0), ("1", 1)]


def test_what_several_arms_draw_behind_one_prefix_follows_each_other(
    recorder: Recorder, trace: Trace
) -> None:
    wants = [Draw(0, 2), Draw(1, 2), Draw(0, 2, arm="b"), Draw(1, 2, arm="b")]
    asked = [r.key[1:3] for r in requests(recorder, start_of(trace), wants)]
    assert asked == [("resample", "0"), ("b", "0"), ("resample", "1"), ("b", "1")]


def test_rollouts_of_older_runs_are_read(recorder: Recorder, trace: Trace) -> None:
    """Their files know no cuts; they can be cut all the same."""
    sampled(recorder, trace, Draw(0, 3))
    folder = recorder.folder(trace.id)
    before = recorded.load(folder)[ARM, 0]
    frame = parts(folder, ROLLOUTS).drop("cut")
    for path in folder.glob("*.parquet"):
        path.unlink()
    add_part(folder, frame)
    assert recorded.load(folder)[ARM, 0].answer == before.answer
    assert recorded.continued(folder) == {}
    assert list(requests(recorder, start_of(trace), [Draw(0, 3)])) == []
    cuts = cut_somewhere(recorder, trace, 0)
    sampled(recorder, trace, Draw(0, len(cuts), after=cuts))
    assert set(recorded.continued(folder)[ARM, 0].cuts) == set(cuts)


@dataclass(frozen=True)
class Cutting:
    """Continues every rollout from before its last sentence, round after round."""

    rounds: int
    family = "test"
    signed = False

    def wants(self, trace: Trace, have: Evidence) -> list[Want]:
        drawn = Draw(0, have.draws)
        if (ARM, 0) not in have.rollouts:
            return [drawn]
        said = [drawn, Sentences(ARM, 0, have.draws)]
        cuts = list(map(Cut, have.rollouts[ARM, 0].draw.tolist()))
        more = have.continued.get((ARM, 0))
        cuts += more.cuts if more else ()
        if any((ARM, 0, cut) not in have.sentences for cut in cuts):
            return said
        open_ = [c for c in cuts if len(c.sentences) < self.rounds and have.sentences[ARM, 0, c]]
        after = [Cut(c.draw, (*c.sentences, len(have.sentences[ARM, 0, c]) - 1)) for c in open_]
        return [*said, Draw(0, len(after), after=tuple(after))] if after else said

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        more = evidence.continued.get((ARM, 0))
        found = len(evidence.rollouts[ARM, 0]) + 100 * (len(more) if more else 0)
        return SentenceScores(np.full(len(trace.sentences), float(found)))


class Counting:
    """Wants draws alone; counts how often it is asked for a score."""

    family, signed = "test", False

    def __init__(self) -> None:
        self.scored: list[str] = []

    def wants(self, trace: Trace, have: Evidence) -> list[Want]:
        return [Draw(0, have.draws)]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        if len(evidence.rollouts[ARM, 0]) == evidence.draws:
            self.scored.append(trace.id)
        return SentenceScores(np.zeros(len(trace.sentences)))


class PairSums:
    """The real engine; counts what it writes."""

    def __init__(self, inner: object) -> None:
        self.inner, self.rounds = inner, list[int]()
        self.counts: dict[str, int] = {}

    def close(self) -> None:
        self.inner.close()

    def sample(self, wanted: Iterable[Request]) -> Iterator[Finished]:
        self.rounds.append(0)
        for done in self.inner.sample(wanted):
            self.rounds[-1] += done.n_tokens
            yield done


def test_rounds_go_on_until_nothing_is_cut(recorder: Recorder) -> None:
    made, n = written(recorder), recorder.sampling.draws
    detectors = {"cutting": Cutting(2), "counting": Counting()}
    score_files = {name: score_file_of(recorder.run, name, "x") for name in detectors}
    tally = PairSums(engine(recorder))
    Job(Gatherer(recorder, ()), tally, made, detectors, score_files, 2).run()
    for trace in made:
        cuts = recorded.continued(recorder.folder(trace.id))[ARM, 0].cuts
        assert n < len(cuts) <= 2 * n
        assert (score_files["cutting"].frames[trace.id]["score"] == n + 100 * len(cuts)).all()
        # Who needs no continuation is scored once, with the first draws, and pays for those alone.
        assert detectors["counting"].scored.count(trace.id) == 1
    assert len(tally.rounds) == 3
    assert score_files["counting"].status["tokens"] == tally.rounds[0]
    assert score_files["cutting"].status["tokens"] == sum(tally.rounds)
    assert score_files["cutting"].status["passes"] == len(made)
    # The same again asks for nothing more.
    again = PairSums(engine(recorder))
    score_file = {"new": score_file_of(recorder.run, "new", "x")}
    Job(Gatherer(recorder, ()), again, made, {"new": Cutting(2)}, score_file, 2).run()
    assert again.rounds == []


def test_duplicates_are_told_in_one_line(recorder: Recorder, trace: Trace) -> None:
    sampled(recorder, trace, Draw(0, 2))
    folder = recorder.folder(trace.id)
    add_part(folder, parts(folder, ROLLOUTS).filter(pl.col("draw") == 0))
    with pytest.raises(UserError, match="twice"):
        recorded.load(folder)


def behind(recorder: Recorder, trace: Trace, n: int = 4) -> list[Draw]:
    """One sentence of an arm, and what goes on behind it."""
    return [Draw(1, n, "sentence", "first"), Draw(1, n, arm="behind", of="first")]


def test_what_goes_on_behind_a_draw_continues_its_first_sentence(
    recorder: Recorder, trace: Trace
) -> None:
    first, after = behind(recorder, trace)
    assert list(requests(recorder, start_of(trace), [after])) == []  # nothing is there yet
    sampled(recorder, trace, first)
    rows, start = told(recorder, trace), start_of(trace)
    asked = list(requests(recorder, start, [after]))
    for request in asked:
        (draw,), row = request.draws, rows["first", 1, Cut(request.draws[0])]
        assert request.extra == tuple(row["token_ids"][: row["first_sentence_stop"]])
        assert row["finish_reason"] == "sentence"
        assert request.prefix[: request.cut] == trace.prompt_ids + trace.token_ids[: start.stops[1]]
        assert request.key[-1] == str(draw)
    sampled(recorder, trace, after)
    rows = told(recorder, trace)
    for draw in range(4):
        one, other = (rows[arm, 1, Cut(draw)] for arm in ("first", "behind"))
        stop = one["first_sentence_stop"]
        assert other["token_ids"][:stop] == one["token_ids"][:stop]
        assert other["first_sentence"] == one["first_sentence"]
        if one["finish_reason"] != "sentence":  # it ended there, and is handed on
            assert other["token_ids"] == one["token_ids"]
            assert other["answer"] == one["answer"]


def test_what_goes_on_behind_a_draw_is_the_same_after_a_kill(
    recorder: Recorder, trace: Trace, tmp_path: Path
) -> None:
    first, after = behind(recorder, trace)
    sampled(recorder, trace, first)
    sampled(recorder, trace, after)
    expected = told(recorder, trace)
    other = replace(recorder, run=tmp_path / "killed")
    sampled(other, trace, first)
    wanted = [(start_of(trace), [after])]
    with pytest.raises(KeyboardInterrupt):
        gather(other, Failing(engine(other), 1), wanted, Meter("test", None))
    gather(other, engine(other), wanted, Meter("test", None))
    found = told(other, trace)
    assert {k: r["token_ids"] for k, r in found.items()} == {
        k: r["token_ids"] for k, r in expected.items()
    }


def test_what_goes_on_behind_nobody_s_draws_is_refused(recorder: Recorder, trace: Trace) -> None:
    gatherer = Gatherer(recorder, ())

    @dataclass(frozen=True)
    class Lonely:
        def wants(self, trace: Trace, have: Evidence) -> list[Draw]:
            return [Draw(0, 2, arm="behind", of="nobody")]

        def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
            return SentenceScores(np.zeros(len(trace.sentences)))

        family, signed = "test", False

    with pytest.raises(UserError, match="arm behind: goes on behind rollouts of nobody"):
        gatherer.missing(trace, gatherer.start(trace), {"lonely": Lonely()})


def test_an_edited_prefix_is_that_of_the_shortened_trace(recorder: Recorder, trace: Trace) -> None:
    start, most = start_of(trace), len(trace.prompt_ids) + recorder.sampling.max_tokens
    without = Draw(2, 2, arm="without", condition=Condition(edits=(Edit(0, 1),)))
    instead = Draw(2, 2, arm="instead", condition=Condition(edits=(Edit(0, 1, " we add."),)))
    (short,), (other,) = (list(requests(recorder, start, [want])) for want in (without, instead))
    kept = trace.token_ids[start.stops[1] : start.stops[2]]
    assert short.prefix == trace.prompt_ids + kept
    assert other.prefix == trace.prompt_ids + recorder.subject.encode(" we add.") + kept
    assert short.max_length == other.max_length == most
    with pytest.raises(UserError, match="lies behind its boundary 0"):
        list(requests(recorder, start, [replace(without, boundary=0)]))
    beyond = Draw(95, 2, arm="beyond", condition=Condition(edits=(Edit(90, 91),)))
    with pytest.raises(UserError, match="beyond the trace"):
        list(requests(recorder, start, [beyond]))


def test_tokens_of_the_next_sentence_can_be_kept_and_new_ones_capped(
    recorder: Recorder, trace: Trace
) -> None:
    start = start_of(trace)
    (request,) = requests(recorder, start, [Draw(1, 2, arm="inside", skip=1, most=3)])
    assert request.prefix == trace.prompt_ids + trace.token_ids[: start.stops[1] + 1]
    assert request.max_length == len(request.prefix) + 3
    word = Draw(1, 2, arm="word", append=" so", most=30)  # no answer: it may go on
    (request,) = requests(recorder, start, [word])
    assert request.max_length == len(request.prefix) + 30
    (request,) = requests(recorder, start, [replace(word, arm="far", most=9999)])
    assert request.max_length == len(trace.prompt_ids) + recorder.sampling.max_tokens
    with pytest.raises(UserError, match="cannot keep 99 tokens"):
        list(requests(recorder, start, [Draw(1, 2, arm="inside", skip=99)]))


def test_behind_an_appended_text_the_answer_is_capped_unless_the_draw_says_how_long(
    recorder: Recorder, trace: Trace
) -> None:
    draws = [Draw(1, 2, arm=f"asked {most}", append=" so", most=most) for most in (None, 20, 900)]
    brief, long, whole = requests(recorder, start_of(trace), draws)
    sampling = recorder.sampling
    assert brief.max_length == len(brief.prefix) + sampling.answer_tokens
    assert long.max_length == len(long.prefix) + 20
    assert whole.max_length == len(trace.prompt_ids) + sampling.max_tokens


def test_what_is_done_to_the_model_is_said_in_its_tokens(recorder: Recorder, trace: Trace) -> None:
    start, width = start_of(trace), 32
    steer = Steer(1, (0.0,) * width, (0, 1))
    under = Condition(under=(Forbid((" so",)), Recycle(2, (" so", " we")), steer))
    (request,) = requests(recorder, start, [Draw(1, 2, "sentence", "under", condition=under)])
    (so,), (we,) = (recorder.subject.encode(word) for word in (" so", " we"))
    shift = len(trace.prompt_ids) - 1
    spans = ((shift + start.stops[0], shift + start.stops[1]),)
    assert request.under == (
        Forbidden((so,)),
        Recycled(2, (so, we)),
        Steered(1, (0.0,) * width, spans, written=True),
    )
    with pytest.raises(UserError, match="cannot steer at sentences"):
        list(requests(recorder, start, [Draw(1, 2, "end", "under", condition=under)]))
    masked = Condition(under=(Mask((0,)),))
    with pytest.raises(UserError, match="nothing can be drawn while sentences are masked"):
        list(requests(recorder, start, [Draw(1, 2, arm="masked", condition=masked)]))


def leaving(recorder: Recorder, trace: Trace, n: int = 4) -> list[Draw]:
    """Draws that leave sentence 1 in different ways; the last ends there, one keeps nothing."""
    a, b = trace.sentences[1].start, trace.sentences[1].stop
    (end, *_) = recorder.subject.eos
    other = [3 + (i - 2) % 15 for i in trace.token_ids[a:b]]  # another word each
    ways = [Departure(k % (b - a), other[k % (b - a)]) for k in range(n - 1)]
    return [Draw(1, n, arm="leave", leaving=(*ways, Departure(b - a - 1, end)))]


def test_what_leaves_a_sentence_is_recorded_from_the_boundary(
    recorder: Recorder, trace: Trace
) -> None:
    (want,), start = leaving(recorder, trace), start_of(trace)
    asked = list(requests(recorder, start, [want]))
    assert sorted(r.draws for r in asked) == [(0,), (1,), (2,)]
    kept = [want.leaving[r.draws[0]].kept for r in asked]
    assert kept == sorted(kept)  # so that what they keep is there for those that keep more
    assert len({r.seed for r in asked}) == 3
    prefix_of = trace.token_ids[: start.stops[1]]
    sampled(recorder, trace, want)
    rows = told(recorder, trace)
    assert set(rows) == {("leave", 1, Cut(d)) for d in range(4)}
    for (_, _, cut), row in rows.items():
        way = want.leaving[cut.draw]
        kept = trace.token_ids[start.stops[1] : start.stops[1] + way.kept]
        ended = cut.draw == 3
        assert tuple(row["token_ids"][: way.kept + 1]) == kept + (() if ended else (way.token,))
        text = recorder.subject.decode((*prefix_of, *row["token_ids"]))
        assert row["answer"] == canonical(extract(text, recorder.problems.pattern))
        new = recorder.subject.decode(row["token_ids"])
        spans = recorder.segmenter(new)
        assert row["first_sentence"] == (new[: spans[0][1]].strip() if spans else "")
        assert len(prefix_of) + row["n_tokens"] <= recorder.sampling.max_tokens
        assert not ended or (row["finish_reason"], row["n_tokens"]) == ("stop", way.kept)
    assert list(requests(recorder, start, [want])) == []


def test_what_leaves_a_sentence_is_the_same_after_a_kill(
    recorder: Recorder, trace: Trace, tmp_path: Path
) -> None:
    wants = leaving(recorder, trace)
    sampled(recorder, trace, *wants)
    expected = told(recorder, trace)
    other = replace(recorder, run=tmp_path / "killed")
    wanted = [(start_of(trace), wants)]
    with pytest.raises(KeyboardInterrupt):
        gather(other, Failing(engine(other), 1), wanted, Meter("test", None))
    assert 0 < len(told(other, trace)) < 4
    gather(other, engine(other), wanted, Meter("test", None))
    found = told(other, trace)
    assert {k: r["token_ids"] for k, r in found.items()} == {
        k: r["token_ids"] for k, r in expected.items()
    }


def test_a_job_reads_how_sentences_are_left_and_then_draws(recorder: Recorder) -> None:
    """Not coupled: every boundary that is left has all its draws."""
    alike = replace(recorder, sampling=replace(recorder.sampling, schedule="coupled"))
    made, n = written(alike), alike.sampling.draws
    detector = target(plain_exact(), "resampling_plain_exact")
    tally, score_file = PairSums(engine(alike)), score_file_of(alike.run, "exact", "x")
    Job(Gatherer(alike, ()), tally, made, {"exact": detector}, {"exact": score_file}, 2).run()
    assert len(tally.rounds) == 1  # what is read names all draws at once
    assert score_file.status["arms"] == ["leave"]
    assert score_file.status["tokens"] == tally.rounds[0] > 0
    assert score_file.status["passes"] == 2 * len(made)  # its own, once, and the run's
    for trace in made:
        found = recorded.load(alike.folder(trace.id))
        assert set(found) == {("leave", k) for k in range(len(trace.sentences) + 1)}
        assert all(len(r) == n and not r.passing for r in found.values())
        assert score_file.frames[trace.id]["score"].is_finite().all()
    again = PairSums(engine(alike))
    score_files = {"exact": score_file_of(alike.run, "new", "x")}
    Job(Gatherer(alike, ()), again, made, {"exact": detector}, score_files, 2).run()
    assert again.rounds == []


class Killed(PairSums):
    """The real engine, cut off after five requests of a round of sampling."""

    def __init__(self, inner: object, round_: int) -> None:
        super().__init__(inner)
        self.round = round_

    def sample(self, wanted: Iterable[Request]) -> Iterator[Finished]:
        for n, done in enumerate(super().sample(wanted)):
            if len(self.rounds) == self.round and n == 5:
                raise KeyboardInterrupt
            yield done


def test_allotted_draws_are_the_same_after_a_kill(recorder: Recorder, tmp_path: Path) -> None:
    """Killed among the pilots, then among what these allot; two rounds where nobody kills."""
    sampling = replace(recorder.sampling, schedule="allocated", pilot=4, draws=8)
    whole = replace(recorder, sampling=sampling)
    made, detector = written(whole), target(plain_exact(), "resampling_plain_exact")

    def job(here: Recorder, tally: object) -> ScoreFile:
        score_file = score_file_of(here.run, "exact", "x")
        Job(Gatherer(here, ()), tally, made, {"exact": detector}, {"exact": score_file}, 2).run()
        return score_file

    tally = PairSums(engine(whole))
    expected = job(whole, tally)
    assert len(tally.rounds) == 2
    assert expected.status["arms"] == ["leave", "leave_second"]
    cut = replace(whole, run=tmp_path / "killed")
    for round_ in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            job(cut, Killed(engine(cut), round_))
    found, numbers = job(cut, PairSums(engine(cut))), set()
    for trace in made:
        rows = [told(each, trace) for each in (whole, cut)]
        assert rows[0].keys() == rows[1].keys()
        assert all(rows[1][key]["token_ids"] == row["token_ids"] for key, row in rows[0].items())
        there = recorded.load(whole.folder(trace.id))
        assert {arm for arm, _ in there} == {"leave", "leave_second"}
        numbers |= {len(r) for r in there.values()}
        assert expected.frames[trace.id].equals(found.frames[trace.id], null_equal=True)
    assert min(numbers) >= 2
    assert len(numbers) > 2
    assert max(numbers) <= 8


def plain_exact() -> dict[str, object]:
    path = Path(__file__).parents[3] / "conf" / "method" / "resampling_plain_exact.yaml"
    return yaml.safe_load(path.read_text())["resampling_plain_exact"]
