"""Traces: the model writes, the answer is checked, the reasoning is cut into sentences."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from harness.core import Draw, Problem, Sentence, Trace, UserError
from harness.engines.base import Engine
from harness.evidence.recorder import Site, Writer
from harness.evidence.requests import requests
from harness.run import truth
from harness.run.progress import Meter, metered
from harness.run.work import POLL, Leases, sample
from harness.store import schema
from harness.store.files import lock, parts, rows, write_frame, write_json
from harness.text.categories import Labels
from harness.text.segmentation import reasoning_span, sentences

ARM, SCREEN = "trace", "screen"
COMPLETE = "traces.parquet"  # written last: it says that the traces are there


@dataclass(frozen=True)
class Cast:
    """The problems of a run: those to evaluate, and those that only calibrate."""

    evaluate: tuple[Problem, ...]
    reference: tuple[Problem, ...]


def cast(problems: Sequence[Problem]) -> Cast:
    """Problems by their role; raises UserError if there is nothing to evaluate."""
    evaluate = tuple(p for p in problems if p.role == "evaluate")
    if not evaluate:
        raise UserError("problems: there are none to evaluate; raise problems.limit")
    return Cast(evaluate, tuple(p for p in problems if p.role == "reference"))


def write(
    writer: Writer, engine: Engine, problems: Sequence[Problem], labels: Labels
) -> list[Trace]:
    """The run's traces, written now unless they exist; skipped problems go to skipped.json."""
    if not (writer.run / COMPLETE).exists():
        traces, skipped = made(writer, engine, problems)
        traces = [labelled(trace, labels) for trace in traces]
        with lock(writer.run, "traces"):
            if not (writer.run / COMPLETE).exists():
                _save(writer, traces, skipped)
    return load(writer, problems)


def made(
    writer: Writer, engine: Engine, problems: Sequence[Problem]
) -> tuple[list[Trace], dict[str, str]]:
    """The traces of some problems from their rollouts, and why a problem has none.

    What is missing is sampled together with all other processes that work on the run.
    """
    skipped: dict[str, str] = {}
    sampling, room = writer.sampling, sites(writer, problems, skipped)
    with metered("traces") as meter:
        if sampling.screen.draws:
            _sampled(writer, engine, room, Draw(0, sampling.screen.draws, arm=SCREEN), meter)
            room = [site for site in room if _screened(writer, site, skipped)]
        _sampled(writer, engine, room, Draw(0, sampling.attempts, arm=ARM), meter)
    return [trace for site in room for trace in _kept(writer, site, skipped)], skipped


def _sampled(
    writer: Writer, engine: Engine, sites: Sequence[Site], draw: Draw, meter: Meter
) -> None:
    """Wait until every site has its draws, making those that nobody else makes."""
    leases = Leases(writer.run, "traces")
    meter.expect(sum(len(r.draws) for site in sites for r in requests(writer, site, [draw])))
    while wanted := [(site, [draw]) for site in sites if any(requests(writer, site, [draw]))]:
        if not sample(writer, engine, leases, wanted, meter):
            time.sleep(POLL)


def labelled(trace: Trace, labels: Labels) -> Trace:
    """The trace with the functions of its sentences."""
    found = labels.of([sentence.text for sentence in trace.sentences])
    pairs = zip(trace.sentences, found, strict=True)
    return replace(trace, sentences=tuple(replace(s, category=label) for s, label in pairs))


def load(writer: Writer, problems: Sequence[Problem]) -> list[Trace]:
    """The traces of the run folder; raises UserError if a problem has changed since."""
    known = {p.id: p for p in problems}
    frame = pl.read_parquet(writer.run / COMPLETE)
    cut: dict[str, list[Sentence]] = {}
    for row in pl.read_parquet(writer.run / "sentences.parquet").iter_rows(named=True):
        sentence = Sentence(row["text"], row["start"], row["stop"], row["category"])
        cut.setdefault(row["trace_id"], []).append(sentence)
    missing = set(frame["problem_id"]) - set(known)
    if missing:
        raise UserError(f"run: its problem {min(missing)} is not among the problems any more")
    return [
        Trace(
            id=row["trace_id"],
            problem=known[row["problem_id"]],
            prompt_ids=tuple(row["prompt_ids"]),
            token_ids=tuple(row["token_ids"]),
            starts=tuple(row["starts"]),
            sentences=tuple(cut[row["trace_id"]]),
            **{key: row[key] for key in _PLAIN},
        )
        for row in frame.iter_rows(named=True)
    ]


_PLAIN = ("model", "revision", "seed", "text", "answer", "correct", "origin", "finish_reason")


def site(trace: Trace) -> Site:
    """Where the rollouts of a trace start."""
    stops = (trace.sentences[0].start, *(s.stop for s in trace.sentences))
    return Site(trace.id, trace.problem, trace.prompt_ids, trace.token_ids, stops)


def sites(writer: Writer, problems: Sequence[Problem], skipped: dict[str, str]) -> list[Site]:
    """A site a problem whose prompt leaves room in the model's context."""
    found: list[Site] = []
    sampling = writer.sampling
    for problem in problems:
        ids = writer.subject.prompt_ids(problem, writer.problems.instruction)
        most = len(ids) + sampling.max_tokens + sampling.answer_tokens
        if most > writer.subject.context:
            skipped[problem.id] = (
                f"its prompt of {len(ids)} tokens, sampling.max_tokens={sampling.max_tokens} and "
                f"answer_tokens exceed the model's context of {writer.subject.context}"
            )
        else:
            found.append(Site(problem.id, problem, ids, (), (0,)))
    return found


def _screened(writer: Writer, site: Site, skipped: dict[str, str]) -> bool:
    screen = writer.sampling.screen
    frame = parts(writer.folder(site.owner), schema.ROLLOUTS).filter(pl.col("arm") == SCREEN)
    share = float(frame["correct"].cast(pl.Float64).mean() or 0.0)  # pyright: ignore[reportArgumentType]
    if screen.low <= share <= screen.high:
        return True
    skipped[site.problem.id] = f"screened out: {share:.2f} of {len(frame)} draws are right"
    return False


def _kept(writer: Writer, site: Site, skipped: dict[str, str]) -> list[Trace]:
    """The first traces of a problem that are as `sampling.keep` asks and can be cut."""
    sampling = writer.sampling
    frame = parts(writer.folder(site.owner), schema.ROLLOUTS).filter(pl.col("arm") == ARM)
    wanted = {"all": (True, False), "correct": (True,), "incorrect": (False,)}[sampling.keep]
    written = frame.sort("draw").head(sampling.attempts).iter_rows(named=True)
    traces = [_trace(writer, site, row) for row in written if row["correct"] in wanted]
    cut = [trace for trace in traces if trace.sentences]
    if not traces:
        skipped[site.problem.id] = f"none of {len(frame)} traces is {sampling.keep}"
    elif not cut:
        skipped[site.problem.id] = f"none of {len(frame)} traces has a sentence"
    return cut[: sampling.traces]


def _trace(writer: Writer, site: Site, row: dict[str, Any]) -> Trace:
    subject, ids = writer.subject, tuple(row["token_ids"])
    text, starts = subject.decode(ids), subject.starts(ids)
    span = reasoning_span(text, subject.conf.open_tag, subject.conf.close_tag)
    return Trace(
        id=f"{site.owner}#{row['draw']}",
        problem=site.problem,
        model=subject.conf.name,
        revision=subject.revision,
        seed=row["seed"],
        prompt_ids=site.prompt_ids,
        token_ids=ids,
        text=text,
        sentences=sentences(text, starts, span, writer.segmenter),
        answer=row["answer"],
        correct=row["correct"],
        origin="sampled",
        finish_reason=row["finish_reason"],
        starts=tuple(starts),
    )


def _save(writer: Writer, traces: Sequence[Trace], skipped: dict[str, str]) -> None:
    """Sentences before traces: traces.parquet says that this stage is complete."""
    if not traces:
        reasons = "; ".join(f"{k}: {v}" for k, v in list(skipped.items())[:3])
        raise UserError(f"no problem yields a trace ({reasons})")
    if skipped:
        write_json(writer.run / "skipped.json", skipped)
    cut = truth.export(writer, traces, sentence_frame(traces))
    write_frame(writer.run / "sentences.parquet", cut)
    write_frame(writer.run / COMPLETE, trace_frame(traces))


def problem_frame(problems: Sequence[Problem]) -> pl.DataFrame:
    """One row a problem."""
    keys = [key for key in schema.PROBLEMS if key != "problem_id"]
    every = [{"problem_id": p.id, **{key: getattr(p, key) for key in keys}} for p in problems]
    return rows(every, schema.PROBLEMS)


def trace_frame(traces: Sequence[Trace]) -> pl.DataFrame:
    """One row a trace."""
    every = [
        {
            "trace_id": t.id,
            "problem_id": t.problem.id,
            "prompt_ids": t.prompt_ids,
            "token_ids": t.token_ids,
            "starts": t.starts,
            "n_sentences": len(t.sentences),
            **{key: getattr(t, key) for key in _PLAIN},
        }
        for t in traces
    ]
    return rows(every, schema.TRACES)


def sentence_frame(traces: Sequence[Trace]) -> pl.DataFrame:
    """One row a sentence; position is i/n, i from 1."""
    every = [
        {
            "trace_id": trace.id,
            "sentence": i,
            "start": s.start,
            "stop": s.stop,
            "text": s.text,
            "category": s.category,
            "position": (i + 1) / len(trace.sentences),
            "n_tokens": s.stop - s.start,
        }
        for trace in traces
        for i, s in enumerate(trace.sentences)
    ]
    return rows(every, schema.SENTENCES)
