"""Scores that need no model: those of imported metrics and of detectors that read the text."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.core import Detector, Embed, Evidence, Fittable, Trace, Wants
from harness.core.config import serving
from harness.evidence.example import REFERENCES, wanted
from harness.run.folds import Learner, facts, folds
from harness.run.scoring import score
from harness.store.score_files import declared
from harness.store.scores import ScoreFile

NOTHING = Evidence(draws=1, force="", references=())


def text_detectors(nodes: Mapping[str, Any]) -> dict[str, Detector]:
    """The detectors among some yaml nodes that want no more of a trace than embeddings."""
    built = {name: serving(Detector, node, f"method.{name}") for name, node in nodes.items()}
    have = replace(NOTHING, references=REFERENCES)
    return {
        name: detector
        for name, detector in built.items()
        if all(isinstance(want, Embed) for want in wanted(detector, have))
    }


def score_traces(
    score_file: ScoreFile,
    detector: Detector,
    traces: Sequence[Trace],
    n_folds: int,
    node: Mapping[str, Any],
) -> None:
    """Score the traces of a run and keep scores, matrices and status as a job would."""
    start = time.monotonic()
    score_file.status |= declared(detector, node)
    have = _embedded(detector, traces)
    scoring = dict.fromkeys(have, detector)
    if isinstance(detector, Fittable):
        learner, fold_of = Learner(detector), folds([t.problem.id for t in traces], n_folds)
        for trace in traces:
            learner.keep(trace, have[trace.id])
        fitted = learner.fitted(fold_of)
        scoring = {trace.id: fitted[fold_of[trace.problem.id]] for trace in traces}
        score_file.status["facts"] = facts(fitted)
    for trace in traces:
        score_file.add(trace, score(scoring[trace.id], trace, have[trace.id], splits=0), 0.0)
    score_file.count("seconds", time.monotonic() - start)
    score_file.write("done")


def _embedded(detector: Detector, traces: Sequence[Trace]) -> dict[str, Evidence]:
    """What a detector wants of each trace; a text that several want is embedded once."""
    wanted = {
        trace.id: [w for w in detector.wants(trace, NOTHING) if isinstance(w, Embed)]
        for trace in traces
        if isinstance(detector, Wants)
    }
    every: dict[str, set[str]] = {}
    for want in (want for wants in wanted.values() for want in wants):
        every.setdefault(want.model, set()).update(want.texts)
    known: dict[tuple[str, str], np.ndarray] = {}
    for model, texts in every.items():
        from harness.models.embedder import embed  # takes seconds: not before something is embedded

        known |= embed(model, sorted(texts))
    found = {trace.id: NOTHING for trace in traces}
    for name, wants in wanted.items():
        mine = {(w.model, text): known[w.model, text] for w in wants for text in w.texts}
        found[name] = replace(NOTHING, embeddings=mine)
    return found
