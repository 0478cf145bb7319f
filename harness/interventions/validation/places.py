"""Where validations gather: by intervention and checkpoint, each with what reads and writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from harness.core import Problem, Trace
from harness.engines.base import LazyEngine
from harness.engines.stopping import Stops
from harness.evidence.gather import Gatherer
from harness.evidence.recorder import Recorder
from harness.interventions.validation.gathering import Place
from harness.models.model import Subject, subject
from harness.run.settings import RunSettings
from harness.store.files import slug
from harness.store.validations import FOLDER

Scores = Mapping[str, Mapping[str, np.ndarray]]  # by trace and method


@dataclass(frozen=True, eq=False)
class Places:
    """Those of a run, one engine a checkpoint that reads and writes as the model."""

    run: RunSettings
    traces: tuple[Trace, ...]
    references: tuple[Problem, ...]
    scores: Scores
    engines: dict[str, LazyEngine] = field(default_factory=dict)
    known: dict[tuple[str, str], Place] = field(default_factory=dict)

    @cached_property
    def subject(self) -> Subject:
        """The model that wrote the traces."""
        return subject(self.run.model)

    def of(self, intervention: str, checkpoint: str) -> Place:
        """Where an intervention gathers with one checkpoint as the model, "" the model itself."""
        key = (intervention, checkpoint)
        if key not in self.known:
            self.known[key] = self._made(*key)
        return self.known[key]

    def close(self) -> None:
        """Give back what engines hold."""
        for engine in self.engines.values():
            engine.close()

    def _made(self, intervention: str, checkpoint: str) -> Place:
        who = self.subject.checkpoint(checkpoint)
        folder = self.run.folder / FOLDER / (slug(checkpoint) if checkpoint else intervention)
        own: Path | None = None if checkpoint else self.run.folder
        recorder = Recorder(
            folder, who, self.run.problems, self.run.segmentation.segmenter, self.run.sampling, own
        )
        gatherer = Gatherer(recorder, self.references, self.traces, always=(), scores=self.scores)
        return Place(gatherer, self._engine(checkpoint, who))

    def _engine(self, name: str, who: Subject) -> LazyEngine:
        if name not in self.engines:
            conf = self.run.engine
            stops = Stops(who.tokenizer, who.eos, self.run.segmentation.segmenter)
            self.engines[name] = LazyEngine(
                lambda checkpoint: conf.start(who, stops, checkpoint),
                lambda checkpoint, under: conf.able(who, checkpoint, under),
            )
        return self.engines[name]
