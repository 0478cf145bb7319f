"""Traces of a run folder: written as three tables, read as they were; what is kept of passes."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from harness.core import Problem, Reading, Sentence, Trace, UserError
from harness.store import schema
from harness.store.files import rows, slug, write_frame
from harness.store.reading import read_frame

COMPLETE = "traces.parquet"  # written last: it says that the traces are there


def load(run: Path, problems: Sequence[Problem]) -> list[Trace]:
    """The traces of the run folder; raises UserError if a problem has changed since."""
    known = {p.id: p for p in problems}
    frame = read_frame(run / COMPLETE, schema.TRACES)
    cut: dict[str, list[Sentence]] = {}
    for row in read_frame(run / "sentences.parquet", schema.SENTENCES).iter_rows(named=True):
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


def keep_tokens(run: Path, trace_id: str, reading: Reading) -> None:
    """Write entropy and log p, one row a token, unless they are there or were not read."""
    path = tokens_file(run, trace_id)
    if path.exists() or reading.entropy is None or reading.logprob is None:
        return
    n = len(reading.entropy)
    columns = {"entropy": reading.entropy, "logprob": reading.logprob}
    frame = pl.DataFrame(
        {"trace_id": [trace_id] * n, "token": range(n), **columns}, schema=dict(schema.TOKENS)
    )
    write_frame(path, frame)


def kept_tokens(run: Path, trace_id: str) -> Reading | None:
    """Entropy and log p from an earlier pass, None where there was none."""
    path = tokens_file(run, trace_id)
    if not path.exists():
        return None
    frame = read_frame(path, schema.TOKENS)
    return Reading(frame["entropy"].to_numpy(), frame["logprob"].to_numpy())


def tokens_file(run: Path, trace_id: str) -> Path:
    """Where they lie."""
    return run / "tokens" / f"{slug(trace_id)}.parquet"
