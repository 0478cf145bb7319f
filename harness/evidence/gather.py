"""Evidence: what the detectors of a job want of a trace, gathered once for all of them."""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from harness.core import (
    PLAIN,
    Condition,
    Detector,
    Draw,
    Embed,
    Evidence,
    Problem,
    Read,
    Reading,
    ReadRollouts,
    ReadText,
    Sentences,
    Suppress,
    Trace,
    UserError,
    Want,
    Wants,
)
from harness.evidence.draws.arms import meanings
from harness.evidence.passes import gathered, with_states
from harness.evidence.requests import Recorder
from harness.evidence.sampling import Sampling
from harness.evidence.wants import PASSES, answered, conditions, rollouts_of
from harness.models.embedder import embed
from harness.models.forward import read_text
from harness.models.masking import suppress
from harness.store import rollouts as recorded
from harness.store import schema
from harness.store.files import slug, write_frame

Cause = Condition | Suppress | ReadRollouts | ReadText | Embed  # of a pass, or a want of its own
OWN = (Suppress, ReadRollouts, ReadText, Embed)
Vectors = Mapping[tuple[str, str], np.ndarray]
SMALL = Read(entropy=True, logprob=True)  # of every trace, whoever wants it


@dataclass(frozen=True)
class Costs:
    """Passes and seconds that went into a trace's evidence, by what they were spent on."""

    passes: dict[Cause, int] = field(default_factory=dict)
    seconds: dict[Cause, float] = field(default_factory=dict)

    @contextmanager
    def spent(self, causes: Sequence[Cause], passes: int = 0) -> Generator[None]:
        """Count what the block takes, time in equal shares, and so many passes for each cause."""
        start = time.monotonic()
        yield
        share = (time.monotonic() - start) / max(1, len(causes))
        for cause in causes:
            self.passes[cause] = self.passes.get(cause, 0) + passes
            self.seconds[cause] = self.seconds.get(cause, 0.0) + share


@dataclass(frozen=True)
class Gatherer:
    """Where a job's evidence comes from; texts read on their own are kept between traces."""

    recorder: Recorder
    references: tuple[Problem, ...]
    texts: dict[ReadText, np.ndarray] = field(default_factory=dict)
    costs: dict[str, Costs] = field(default_factory=dict)  # by trace, not yet charged
    vectors: dict[str, Vectors] = field(default_factory=dict)  # of traces that wait for draws

    def start(self, trace: Trace) -> Evidence:
        """What the run folder holds of a trace."""
        folder = self.recorder.folder(trace.id)
        return Evidence(
            draws=self.recorder.sampling.draws,
            force=self.recorder.subject.conf.force,
            references=self.references,
            rollouts=recorded.load(folder),
            continued=recorded.continued(folder),
            readings=_kept_tokens(self.recorder.run, trace),
            embeddings=self.vectors.get(trace.id, {}),
            settled=self.recorder.sampling.enough,
        )

    def missing(
        self, trace: Trace, have: Evidence, detectors: Mapping[str, Detector]
    ) -> list[Want[Any]]:
        """What the detectors want and do not have, each once."""
        wanted: list[Want[Any]] = [SMALL]
        wanted += [want for d in detectors.values() for want in wants(d, trace, have)]
        drawn = [w for w in wanted if isinstance(w, Draw)]
        _agree(drawn, have, self.recorder.sampling)
        return [want for want in dict.fromkeys(wanted) if not answered(want, have)]

    def draws(self, trace: Trace, detectors: Mapping[str, Detector]) -> list[Draw]:
        """The draws that can be named before anything is read."""
        if not detectors:
            return []
        missing = self.missing(trace, self.start(trace), detectors)
        return [want for want in missing if isinstance(want, Draw)]

    def arms(self, trace: Trace, detector: Detector) -> list[str]:
        """The kinds of rollouts a detector wants."""
        every = wants(detector, trace, self.start(trace))
        return sorted({want.arm for want in every if isinstance(want, Draw)})

    def complete(
        self, trace: Trace, detectors: Mapping[str, Detector]
    ) -> tuple[Evidence, list[Draw]]:
        """Evidence with all readings and embeddings, and the draws that are wanted still."""
        have = self.start(trace)
        while True:
            wanted = self.missing(trace, have, detectors)
            drawn = [w for w in wanted if isinstance(w, Draw)]
            if len(drawn) == len(wanted):
                self.vectors.pop(trace.id, None)
                if drawn:
                    self.vectors[trace.id] = have.embeddings
                return have, drawn
            have = self._gather(trace, have, wanted)

    def charged(self, trace: Trace, wanted: Sequence[Want[Any]]) -> tuple[int, float]:
        """The passes just made over a trace that serve some wants, and the seconds they took.

        What serves several detectors is charged to each. The model's own pass is made of every
        trace; it counts for all, its time for those who want something of it.
        """
        costs = self.costs.get(trace.id, Costs())
        causes = {*conditions(wanted), *(want for want in wanted if isinstance(want, OWN))}
        seconds = sum((costs.seconds.get(cause, 0.0) for cause in causes), 0.0)
        return sum(costs.passes.get(cause, 0) for cause in causes | {PLAIN}), seconds

    def _gather(self, trace: Trace, have: Evidence, wanted: Sequence[Want[Any]]) -> Evidence:
        subject, folder = self.recorder.subject, self.recorder.folder(trace.id)
        spent = self.costs.setdefault(trace.id, Costs()).spent
        if reads := [w for w in wanted if isinstance(w, PASSES)]:
            with spent(conditions(reads), passes=1):
                have = gathered(subject, trace, have, reads)
            _keep_tokens(self.recorder.run, trace, have.reading)
        for want in (w for w in wanted if isinstance(w, Suppress)):
            with spent([want], passes=1 + len(trace.sentences)):
                found = suppress(subject, trace, want)
            have = replace(have, answers={**have.answers, want: found})
        if begun := [w for w in wanted if isinstance(w, ReadRollouts)]:
            with spent(begun, passes=1):
                have = with_states(subject, folder, trace, have, begun)
        if said := [w for w in wanted if isinstance(w, Sentences)]:
            have = _told(self.recorder, trace, have, said)
        for want in (w for w in wanted if isinstance(w, ReadText)):
            if want not in self.texts:
                with spent([want]):
                    self.texts[want] = read_text(subject, want)
            have = replace(have, answers={**have.answers, want: self.texts[want]})
        for want in (w for w in wanted if isinstance(w, Embed)):
            new = [t for t in want.texts if (want.model, t) not in have.embeddings]
            with spent([want]):
                found = embed(want.model, new)
            have = replace(have, embeddings={**have.embeddings, **found})
        return have


def wants(detector: Detector, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
    """What a detector wants of a trace; nothing if it reads the text alone."""
    return detector.wants(trace, have) if isinstance(detector, Wants) else []


def _told(
    recorder: Recorder, trace: Trace, have: Evidence, wanted: Sequence[Sentences]
) -> Evidence:
    """The evidence with the wanted sentences in it."""
    new = {key for want in wanted for key in rollouts_of(have, want)} - set(have.sentences)
    ids = recorded.written(recorder.folder(trace.id), new)
    found = {key: recorder.sentences(ids[key]) for key in new}
    return replace(have, sentences={**have.sentences, **found})


def _agree(wanted: Sequence[Draw], have: Evidence, sampling: Sampling) -> None:
    """Draws of one arm are made once, so they must mean the same; some go on behind others."""
    known = {*meanings(wanted, sampling), *(arm for arm, _ in have.rollouts)}
    for want in wanted:
        if want.of and want.of not in known:
            raise UserError(
                f"arm {want.arm}: goes on behind rollouts of {want.of}, which nobody draws"
            )


def _keep_tokens(run: Path, trace: Trace, reading: Reading) -> None:
    """Keep the readings that are small: one row a token."""
    path = tokens_file(run, trace)
    if path.exists() or reading.entropy is None or reading.logprob is None:
        return
    n = len(trace.token_ids)
    frame = pl.DataFrame(
        {
            "trace_id": [trace.id] * n,
            "token": range(n),
            "entropy": reading.entropy,
            "logprob": reading.logprob,
        },
        schema=dict(schema.TOKENS),
    )
    write_frame(path, frame)


def _kept_tokens(run: Path, trace: Trace) -> dict[Condition, Reading]:
    """The small readings of a trace from an earlier pass, empty where there was none."""
    path = tokens_file(run, trace)
    if not path.exists():
        return {}
    frame = pl.read_parquet(path)
    return {PLAIN: Reading(frame["entropy"].to_numpy(), frame["logprob"].to_numpy())}


def tokens_file(run: Path, trace: Trace) -> Path:
    """Where the small readings of a trace lie."""
    return run / "tokens" / f"{slug(trace.id)}.parquet"
