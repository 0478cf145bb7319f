"""Traces, rollouts, readings and scores on a real tiny model."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from harness.core import Draw, Evidence, Problem, Read, ReadText, Rollouts, SentenceScores, Trace
from harness.engines.base import Finished, Request
from harness.engines.hf import HF
from harness.engines.stopping import Stops
from harness.evidence.gather import Gatherer
from harness.evidence.recorder import start_of
from harness.evidence.requests import Recorder
from harness.models.forward import read, read_text
from harness.models.model import Subject
from harness.problems.roles import by_role
from harness.run import sampling, traces
from harness.run.progress import Meter
from harness.run.rounds import Job
from harness.run.sampling import gather
from harness.run.scoring import halves, score
from harness.store import rollouts as recorded
from harness.store.files import parts
from harness.store.schema import ROLLOUTS, SENTENCES, TRACES
from harness.store.scores import score_file_of
from harness.text.answers import canonical, extract
from harness.text.categories import Labels
from tests.harness.conftest import SAMPLING


def engine(recorder: Recorder, slots: int = 8) -> object:
    stops = Stops(recorder.subject.tokenizer, recorder.subject.eos, recorder.segmenter)
    return HF(slots, pool=50 * slots).start(recorder.subject, stops, "")


def written(recorder: Recorder) -> list[Trace]:
    cast = by_role(recorder.problems.load())
    return traces.write(recorder, engine(recorder), cast.evaluate, Labels((), ""))


def drawn(run: Path) -> list[tuple[str, int, str, int]]:
    frame = pl.concat([parts(f, ROLLOUTS) for f in sorted((run / "rollouts").iterdir())])
    return sorted(frame.select("trace_id", "boundary", "arm", "draw").iter_rows())


class Failing:
    """The real engine, cut off after some requests as by a kill."""

    def __init__(self, inner: object, after: int) -> None:
        self.inner, self.after = inner, after

    def sample(self, requests: Iterable[Request]) -> Iterator[Finished]:
        for n, done in enumerate(self.inner.sample(requests)):
            if n == self.after:
                raise KeyboardInterrupt
            yield done


def test_traces_tile_and_are_the_same_when_read_again(recorder: Recorder) -> None:
    made = written(recorder)
    assert len(made) == 3
    for trace in made:
        stops = [0, *(s.stop for s in trace.sentences)]
        assert [s.start for s in trace.sentences] == stops[:-1]
        assert stops[-1] == len(trace.token_ids)
        assert "".join(s.text for s in trace.sentences) == trace.text
        assert trace.text == recorder.subject.decode(trace.token_ids)
        assert len(trace.token_ids) <= SAMPLING.max_tokens
    assert written(recorder) == made
    frame = pl.read_parquet(recorder.run / "traces.parquet")
    assert frame.schema == pl.Schema(TRACES)
    assert pl.read_parquet(recorder.run / "sentences.parquet").schema == pl.Schema(SENTENCES)


def test_kept_traces_are_as_asked(recorder: Recorder) -> None:
    wrong = replace(recorder, sampling=replace(SAMPLING, keep="incorrect", traces=2, attempts=6))
    made = written(wrong)
    assert made
    assert not any(trace.correct for trace in made)
    counts = pl.Series([trace.problem.id for trace in made]).value_counts()["count"]
    assert counts.max() == 2


def test_rollouts_say_what_their_tokens_say(recorder: Recorder) -> None:
    trace = written(recorder)[0]
    start = start_of(trace)
    wanted = [Draw(b, 4) for b in range(len(trace.sentences) + 1)]
    wanted += [Draw(b, 4, "answer", "forced", " total is") for b in (0, 1)]
    gather(recorder, engine(recorder), [(start, wanted)], Meter("test", None))
    frame = parts(recorder.folder(trace.id), ROLLOUTS)
    assert len(frame) == 4 * len(wanted)
    for row in frame.iter_rows(named=True):
        prefix = trace.token_ids[: start.stops[row["boundary"]]]
        extra = recorder.subject.encode(" total is") if row["arm"] == "forced" else ()
        text = recorder.subject.decode((*prefix, *extra, *row["token_ids"]))
        assert row["answer"] == canonical(extract(text, r"total is (\d)"))
        assert row["correct"] == (row["answer"] == canonical(trace.problem.answer))
        new = recorder.subject.decode(row["token_ids"])
        spans = recorder.segmenter(new)
        assert row["first_sentence"] == (new[: spans[0][1]].strip() if spans else "")
        assert (
            recorder.subject.decode(row["token_ids"][: row["first_sentence_stop"]]).strip()
            == row["first_sentence"]
        )
        cap = SAMPLING.max_tokens if not extra else len(prefix) + len(extra) + 8
        assert len(prefix) + len(extra) + row["n_tokens"] <= max(cap, len(prefix) + len(extra))


@pytest.mark.parametrize("after", [0, 1, 7])
def test_what_was_cut_off_goes_on_and_nothing_twice(recorder: Recorder, after: int) -> None:
    trace = written(recorder)[0]
    wanted = [(start_of(trace), [Draw(b, 5) for b in range(4)])]
    meter = Meter("test", None)
    flush_before = sampling.FLUSH
    sampling.FLUSH = 0.0  # every finished request at once
    try:
        with pytest.raises(KeyboardInterrupt):
            gather(recorder, Failing(engine(recorder), after), wanted, meter)
    finally:
        sampling.FLUSH = flush_before
    before = drawn(recorder.run)
    gather(recorder, engine(recorder), wanted, meter)
    after_all = drawn(recorder.run)
    assert len(before) < len(after_all) == len(set(after_all))
    assert [k for k in after_all if k[2] == "resample"] == [
        (trace.id, b, "resample", d) for b in range(4) for d in range(5)
    ]
    asked: list[Request] = []

    class Watching:
        def sample(self, requests: Iterable[Request]) -> Iterator[Finished]:
            asked.extend(requests)
            return iter(())

    gather(recorder, Watching(), wanted, meter)
    assert asked == []


def test_more_draws_extend_and_keep_what_is_there(recorder: Recorder) -> None:
    trace = written(recorder)[0]
    start, meter = start_of(trace), Meter("test", None)
    gather(recorder, engine(recorder), [(start, [Draw(1, 3)])], meter)
    few = recorded.load(recorder.folder(trace.id))["resample", 1]
    gather(recorder, engine(recorder), [(start, [Draw(1, 7)])], meter)
    more = recorded.load(recorder.folder(trace.id))["resample", 1]
    assert more.draw.tolist() == list(range(7))
    assert more.answer[:3] == few.answer
    assert more.first_sentence[:3] == few.first_sentence


def test_readings_belong_to_the_token_they_predict(
    any_model: torch.nn.Module, subject: Subject
) -> None:
    """Row t against the plain distribution at position t - 1, token by token."""
    held = Subject(subject.conf)
    held.__dict__["model"] = any_model
    prompt, tokens = (4, 5, 6), (7, 8, 9, 3, 11)
    problem = Problem("p", "q", "a", None, "s", "evaluate")
    trace = Trace("t", problem, "m", "r", 0, prompt, tokens, "", (), "", False, "", "")
    found = read(held, trace, Read(entropy=True, logprob=True, states=(-1, 0)))
    any_model.set_attn_implementation("eager")
    for t, token in enumerate(tokens):
        ids = torch.tensor([(*prompt, *tokens[:t])])
        with torch.no_grad():
            out = any_model(ids, use_cache=False, output_hidden_states=True)
        logp = torch.log_softmax(out.logits[0, -1].double(), -1)
        assert found.logprob[t] == pytest.approx(float(logp[token]), abs=1e-4)
        assert found.entropy[t] == pytest.approx(float(-(logp.exp() * logp).sum()), abs=1e-4)
        first_block = out.hidden_states[1][0, -1].numpy()
        np.testing.assert_allclose(found.states[0][t], first_block, atol=1e-4)
        # hidden_states ends with the state after the last norm; ours comes before it.
        normed = any_model.get_decoder().norm(torch.tensor(found.states[-1][t]))
        np.testing.assert_allclose(normed.detach(), out.hidden_states[-1][0, -1], atol=1e-4)


def test_text_read_alone_gives_its_last_state(subject: Subject) -> None:
    state = read_text(subject, ReadText(" we add the apples"))
    ids = torch.tensor([subject.encode(" we add the apples")])
    with torch.no_grad():
        out = subject.model.get_decoder()(ids, output_hidden_states=True)
    normed = subject.model.get_decoder().norm(torch.tensor(state)).detach()
    np.testing.assert_allclose(normed, out.last_hidden_state[0, -1], atol=1e-5)


class Share:
    """Share of right rollouts after a sentence, in two rounds of draws."""

    family, signed = "test", False

    def wants(self, trace: Trace, have: Evidence) -> list[Draw]:
        n = len(trace.sentences)
        first = [Draw(0, have.draws)]
        return [*first, Draw(n, have.draws)] if ("resample", 0) in have.rollouts else first

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        end = evidence.rollouts["resample", len(trace.sentences)]
        n = len(trace.sentences)
        return SentenceScores(np.full(n, len(end) + end.draw.sum() / 100))


def test_rounds_are_sampled_until_nothing_is_wanted(recorder: Recorder) -> None:
    made = written(recorder)
    score_file = score_file_of(recorder.run, "share", "x")
    Job(
        Gatherer(recorder, ()), engine(recorder), made, {"share": Share()}, {"share": score_file}, 2
    ).run()
    assert score_file.status["state"] == "done"
    assert score_file.status["passes"] == len(made)
    assert set(score_file.frames) == {trace.id for trace in made}
    again = score_file_of(recorder.run, "share", "x")
    assert set(again.frames) == set(score_file.frames)
    assert score_file_of(recorder.run, "share", "other options").frames == {}
    frame = pl.read_parquet(recorder.run / "scores" / "share.parquet")
    assert frame["half_a"].list.len().unique().to_list() == [SAMPLING.splits]
    assert (frame["score"] - 5.10).abs().max() < 1e-9
    # Halves of five draws: two and three of them, whose numbers add up to those of the whole.
    both = [a + b for a, b in zip(frame["half_a"][0], frame["half_b"][0], strict=True)]
    assert both == pytest.approx([5.10] * SAMPLING.splits)


def test_halves_share_no_draw_and_differ_between_splits() -> None:
    rollouts = Rollouts(np.arange(9), ("a",) * 9, np.zeros(9, bool), ("b",) * 9)
    evidence = Evidence(9, "", (), {("resample", 2): rollouts, ("forced", 2): rollouts})
    seen = set()
    for a, b in halves("t", evidence, 20):
        assert (a["resample", 2] == a["forced", 2]).all()
        assert a["resample", 2].sum() == 4
        assert (a["resample", 2] ^ b["resample", 2]).all()
        seen.add(tuple(a["resample", 2]))
    assert len(seen) > 15


def test_scores_must_be_one_a_sentence_and_never_infinite(recorder: Recorder) -> None:
    trace = written(recorder)[0]

    class Bad:
        family, signed = "test", False

        def __init__(self, values: np.ndarray) -> None:
            self.values = values

        def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
            return SentenceScores(self.values)

    n = len(trace.sentences)
    with pytest.raises(ValueError, match="values for"):
        score(Bad(np.zeros(n + 1)), trace, Evidence(1, "", ()), 1)
    with pytest.raises(ValueError, match="infinite"):
        score(Bad(np.full(n, np.inf)), trace, Evidence(1, "", ()), 1)
