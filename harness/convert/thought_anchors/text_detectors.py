"""Scores that need no model: those of imported metrics and of detectors that read the text."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

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
    have = {trace.id: _embedded(detector, trace) for trace in traces}
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


def _embedded(detector: Detector, trace: Trace) -> Evidence:
    wants = detector.wants(trace, NOTHING) if isinstance(detector, Wants) else []
    found = NOTHING
    for want in (w for w in wants if isinstance(w, Embed)):
        from harness.models.embedder import embed  # takes seconds: not before something is embedded

        vectors = embed(want.model, want.texts)
        found = replace(found, embeddings={**found.embeddings, **vectors})
    return found
