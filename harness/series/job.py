"""A series followed: every checkpoint writes and reads, then all is measured alike."""

import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from harness.agreement import Agreement
from harness.core import Problem, Reading, Trace, UserError
from harness.core.errors import in_words
from harness.engines.server import Server
from harness.models.embedder import embed, findable
from harness.models.model import Subject, subject
from harness.run.growth import grown
from harness.run.progress import console
from harness.run.settings import RunSettings
from harness.run.traces import ARM
from harness.series.checkpoints import Checkpoint, check_tokenizer, series
from harness.series.measures import BASE, OWN, strategies, surprise
from harness.series.record import STATUS, Written, folder_of, recorded
from harness.series.settings import Dynamics
from harness.series.table import by_problem, dynamics, gram_rows, rollout_rows, token_rows
from harness.store import folder, schema
from harness.store.files import parts, slug, write_frame, write_json
from harness.store.reading import read_json
from harness.store.traces import kept_tokens
from harness.text.grams import phrases

Failed = dict[str, str]  # why, by checkpoint


def follow(run: RunSettings, conf: Dynamics, agreement: Agreement) -> Failed:
    """Follow the series of a run's model; returns the checkpoints that failed, with the reason.

    Writes dynamics.parquet and dynamics_by_problem.parquet of the others. Raises UserError before
    anything is written where the series cannot be followed, and where its first checkpoint fails.
    """
    every, asked, main = series(run.model), run.problems.load(), subject(run.model)
    check(run, conf, every, main, asked)
    folder.make(run.folder, run.values, run.identity, main.revision)
    folder.mend(run.folder)
    problems = grown(run.folder, asked).evaluate
    written, failed = _written(run, conf, every, main, problems)
    grams = _grams(conf, written.values())
    there = [checkpoint for checkpoint in every if checkpoint.name in written]
    values = [row for each in there for row in _measured(each, there[0], written, grams, conf)]
    frame = by_problem(values)
    write_frame(run.folder / "dynamics_by_problem.parquet", frame)
    write_frame(run.folder / "dynamics.parquet", dynamics(frame, agreement))
    return failed


def check(
    run: RunSettings,
    conf: Dynamics,
    every: Sequence[Checkpoint],
    main: Subject,
    asked: Sequence[Problem],
) -> None:
    """Raise UserError for what can be known before anything is written; loads no weights."""
    folder.check(run.folder, run.identity)
    if isinstance(run.engine, Server):
        raise UserError("engine: a server serves one checkpoint; choose engine=hf or engine=vllm")
    if conf.lexicon is None:
        findable(conf.mining.embedder)
    run.engine.check(main)
    prompts = {i for p in asked for i in main.prompt_ids(p, run.problems.instruction)}
    for checkpoint in every:
        try:
            other = Subject(replace(checkpoint.model, prompt="{question}"))  # needs no template
        except UserError:
            continue  # it is named when its turn comes; the others do without it
        check_tokenizer(main, other, checkpoint.name, prompts)


def _written(
    run: RunSettings,
    conf: Dynamics,
    every: Sequence[Checkpoint],
    main: Subject,
    problems: Sequence[Problem],
) -> tuple[dict[str, Written], Failed]:
    """What each checkpoint wrote, one in memory at a time, and why some wrote nothing."""
    written: dict[str, Written] = {}
    failed: Failed = {}
    for number, checkpoint in enumerate(every):
        console.print(f"{checkpoint.name} ({number + 1} of {len(every)})", highlight=False)
        first = written.get(every[0].name)
        try:
            done = recorded(run, checkpoint, main, problems, conf.rollouts, first)
            written[checkpoint.name] = done
        except Exception as error:
            _fail(run.folder, checkpoint, error)
            if not number:
                raise UserError(
                    f"model.series: {checkpoint.name} fails ({in_words(error)}), and the others "
                    "are compared with it"
                ) from error
            failed[checkpoint.name] = in_words(error)
    return written, failed


def _fail(run: Path, checkpoint: Checkpoint, error: Exception) -> None:
    """Say that a checkpoint is left out, on stderr and in its status."""
    if not isinstance(error, UserError):
        traceback.print_exception(error)
    print(f"left out: {checkpoint.name}: {in_words(error)}", file=sys.stderr)
    status = folder_of(run, checkpoint) / STATUS
    write_json(status, {**read_json(status), "state": "failed", "error": in_words(error)})


def _grams(conf: Dynamics, written: Iterator[Written] | Any) -> tuple[str, ...]:
    """The strategic grams, the same for all checkpoints."""
    if conf.lexicon is not None:
        return phrases(conf.lexicon)
    texts = [trace.text for each in written for trace in each.traces if trace.correct]
    vectors = embed(conf.mining.embedder, conf.mining.common(texts))
    grams, counts = conf.mining.chosen(texts, {text: v for (_, text), v in vectors.items()})
    said = ", ".join(f"{n} {name}" for name, n in counts.items())
    print(f"strategic grams: {len(grams)} mined ({said})", file=sys.stderr)
    return grams


def _measured(
    at: Checkpoint,
    first: Checkpoint,
    written: Mapping[str, Written],
    grams: Sequence[str],
    conf: Dynamics,
) -> Iterator[dict[str, Any]]:
    """Every measure of one checkpoint by problem."""
    own, base = written[at.name], written[first.name]
    began = surprise(base.traces, partial(_kept, base.place), grams)
    mine = surprise(own.traces, partial(_kept, own.place), grams)
    there = surprise(base.traces, partial(_kept, base.read_by(own.place)), grams)
    yield from token_rows(at, OWN, mine, began)
    yield from token_rows(at, BASE, there, began)
    yield from gram_rows(at, strategies(own.traces, grams, conf.following))
    yield from rollout_rows(at, *_rollouts(own, conf.rollouts))


def _kept(place: Path, trace: Trace) -> Reading:
    found = kept_tokens(place, trace.id)
    assert found is not None
    return found


def _rollouts(own: Written, rollouts: int) -> tuple[dict[str, float], dict[str, float]]:
    """The share of right answers and the mean length of each problem's rollouts, all of them."""
    right, length = dict[str, float](), dict[str, float]()
    for name in dict.fromkeys(trace.problem.id for trace in own.traces):
        frame = parts(own.place / "rollouts" / slug(name), schema.ROLLOUTS)
        frame = frame.filter(pl.col("arm") == ARM, pl.col("draw") < rollouts)
        right[name] = float(frame["correct"].cast(pl.Float64).to_numpy().mean())
        length[name] = float(frame["n_tokens"].to_numpy().mean())
    return right, length
