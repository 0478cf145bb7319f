"""What one checkpoint of a series writes and reads, kept in a folder of its own."""

import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.core import Problem, Read, Reading, Trace, UserError
from harness.engines.base import LazyEngine
from harness.engines.stopping import Stops
from harness.evidence.recorder import Recorder
from harness.evidence.sampling import Sampling, Screen
from harness.models.forward import read
from harness.models.model import Subject
from harness.run import traces
from harness.run.progress import console, metered
from harness.run.settings import RunSettings
from harness.series.checkpoints import Checkpoint
from harness.store.files import slug, write_frame, write_json
from harness.store.reading import damaged, read_json
from harness.store.traces import (
    COMPLETE,
    keep_tokens,
    kept_tokens,
    load,
    sentence_frame,
    trace_frame,
)

FOLDER, STATUS, SENTENCES = "dynamics", "status.json", "sentences.parquet"


@dataclass(frozen=True, eq=False)
class Written:
    """The traces of a checkpoint, where they lie, and which weights wrote them."""

    place: Path
    traces: Sequence[Trace]
    revision: str

    def read_by(self, place: Path) -> Path:
        """Where another checkpoint keeps what it read of these traces."""
        if place == self.place:
            return place
        return place / "reads" / slug(f"{self.place.name}-{self.revision}")


def folder_of(run: Path, checkpoint: Checkpoint) -> Path:
    """The folder of a checkpoint; nothing of a series lies among the run's own rollouts."""
    return run / FOLDER / slug(checkpoint.name)


def sampled(sampling: Sampling, rollouts: int) -> Sampling:
    """The run's sampling with all rollouts of each problem kept as traces."""
    every = {"traces": rollouts, "attempts": rollouts}
    return replace(sampling, **every, keep="all", screen=Screen(0, 0.0, 1.0))


def recorded(
    run: RunSettings,
    checkpoint: Checkpoint,
    main: Subject,
    problems: Sequence[Problem],
    rollouts: int,
    first: Written | None,
) -> Written:
    """Traces of a checkpoint and its readings of them and of the first one's; made where missing.

    All checkpoints are given the prompts of `main`, token by token. Its weights are forgotten
    before it returns. Raises UserError where the folder is of other weights, and where it writes
    nothing that has a sentence.
    """
    place, began = folder_of(run.folder, checkpoint), time.monotonic()
    who = Subject(checkpoint.model, main.tokenizer)
    state = {"revision": who.revision, "rollouts": rollouts, "problems": [p.id for p in problems]}
    before = read_json(place / STATUS) if not damaged(place / STATUS) else {}
    if before.get("revision", who.revision) != who.revision:
        raise UserError(
            f"{place}: was made by other weights ({before['revision']} there, {who.revision} "
            "here); remove the folder, or choose another run=NAME"
        )
    try:
        write_json(place / STATUS, {**before, "revision": who.revision, "state": "running"})
        there = {key: before.get(key) for key in state} == state
        there &= (place / SENTENCES).exists() and (place / COMPLETE).exists()
        made = load(place, problems) if there else _made(run, who, place, problems, rollouts)
        own = Written(place, made, who.revision)
        n = sum(_read(who, place, each) for each in (own, first) if each is not None)
    finally:
        who.release()
    write_json(place / STATUS, {**state, "state": "done"})
    written = 0 if there else sum(len(trace.token_ids) for trace in made)
    speed = (n + written) / max(time.monotonic() - began, 1e-9)
    new = f"{written:,} tokens written, {n:,} read, {speed:,.0f} tokens/s"
    console.print(
        f"{checkpoint.name}: {len(made)} traces, {new if n + written else 'as they were'}",
        highlight=False,
    )
    return own


def _made(
    run: RunSettings, who: Subject, place: Path, problems: Sequence[Problem], rollouts: int
) -> list[Trace]:
    """The checkpoint's traces from its rollouts, those that are missing drawn."""
    segmenter = run.segmentation.segmenter
    stops = Stops(who.tokenizer, who.eos, segmenter)
    recorder = Recorder(place, who, run.problems, segmenter, sampled(run.sampling, rollouts))
    engine = LazyEngine(
        lambda checkpoint: run.engine.start(who, stops, checkpoint),
        lambda checkpoint, under: run.engine.able(who, checkpoint, under),
    )
    with closing(engine):
        made, skipped = traces.made(recorder, engine, problems)
    if not made:
        reasons = "; ".join(f"{k}: {v}" for k, v in list(skipped.items())[:3])
        raise UserError(f"no problem yields a trace ({reasons})")
    write_frame(place / SENTENCES, sentence_frame(made))
    write_frame(place / COMPLETE, trace_frame(made))
    return made


def _read(who: Subject, place: Path, written: Written) -> int:
    """Keep entropy and log p of every token of some traces; returns how many were read now."""
    kept, tokens = written.read_by(place), 0
    todo = [trace for trace in written.traces if kept_tokens(kept, trace.id) is None]
    with metered(f"{place.name} reads {written.place.name}") as meter:
        meter.expect(len(todo))
        for trace in todo:
            keep_tokens(kept, trace.id, _reading(who, trace))
            meter.add(1, len(trace.token_ids))
            tokens += len(trace.token_ids)
    return tokens


def _reading(who: Subject, trace: Trace) -> Reading:
    """Entropy and log p of each token, NaN beyond the context of the checkpoint."""
    n = len(trace.token_ids)
    fits = max(0, who.context - len(trace.prompt_ids))
    nothing = np.full(max(0, n - fits), np.nan, dtype=np.float32)
    if not fits:
        return Reading(nothing, nothing)
    seen = trace if fits >= n else replace(trace, token_ids=trace.token_ids[:fits], sentences=())
    found = read(who, seen, Read(entropy=True, logprob=True))
    assert found.entropy is not None
    assert found.logprob is not None
    return Reading(
        np.concatenate([found.entropy, nothing]), np.concatenate([found.logprob, nothing])
    )
