"""Detectors that published rollouts are enough for, scored trace by trace."""

import hashlib
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.convert.thought_anchors.text_detectors import NOTHING, score_traces, text_detectors
from harness.core import (
    PLAIN,
    Detector,
    Draw,
    Embed,
    Evidence,
    Fittable,
    Rollouts,
    Trace,
    Want,
    Wants,
)
from harness.core.config import serving
from harness.evidence.example import REFERENCES, wanted
from harness.evidence.wants import answered
from harness.run.growth import stored
from harness.run.scoring import score
from harness.store import rollouts as recorded
from harness.store.files import slug
from harness.store.score_files import declared
from harness.store.scores import ScoreFile, score_file_of
from harness.store.traces import load

NONE = Rollouts(np.zeros(0, np.int64), (), np.zeros(0, np.bool_), ())
# Where each arm of the detectors is read: a rollout's first sentence is a next sentence drawn.
READ_FROM = {"resample": "resample", "forced": "forced", "sentence": "resample"}
SENTENCES = {"sentence": "sentence"}  # where no more than those were published


def served(nodes: Mapping[str, Any], arms: Mapping[str, str]) -> dict[str, Detector]:
    """The detectors among some yaml nodes that want rollouts of these arms and embeddings alone."""
    built = {name: serving(Detector, node, f"method.{name}") for name, node in nodes.items()}
    have = replace(NOTHING, references=REFERENCES)
    wants = {name: wanted(detector, have) for name, detector in built.items()}
    return {
        name: built[name]
        for name, every in wants.items()
        if any(isinstance(want, Draw) for want in every)
        and all(_published(want, arms) for want in every)
    }


def _published(want: Want[Any], arms: Mapping[str, str]) -> bool:
    """Whether the data answers a want: draws of the model that wrote the trace, as it is."""
    if not isinstance(want, Draw):
        return isinstance(want, Embed)
    own = want.condition == PLAIN and not (want.after or want.of or want.skip or want.append)
    as_drawn = want.most is None and want.temperature is None and want.top_p is None
    return want.arm in arms and own and as_drawn


def scored_of(nodes: Mapping[str, Any]) -> dict[str, Any]:
    """The nodes of the detectors that can be scored: by rollouts, or by the text alone."""
    names = {*served(nodes, READ_FROM), *text_detectors(nodes)}
    return {name: node for name, node in nodes.items() if name in names}


def score_run(run: Path, config: Mapping[str, Any]) -> list[str]:
    """Score the traces of a converted run that are not scored; returns the detectors' names.

    Besides those that its rollouts are enough for, those that read the text alone.
    """
    nodes, traces = config["method"], load(run, stored(run))
    names, reading = {trace.id for trace in traces}, text_detectors(nodes)
    drawing = score_drawn(run, config, READ_FROM)
    for name, detector in reading.items():
        kept = _score_file(run, name, detector, config, names)
        if not names <= set(kept.frames):
            score_traces(kept, detector, traces, config["calibration"]["folds"], nodes[name])
    return [*drawing, *reading]


def score_drawn(run: Path, config: Mapping[str, Any], arms: Mapping[str, str]) -> list[str]:
    """The same by the detectors alone that rollouts of these arms are enough for."""
    drawing, traces = served(config["method"], arms), load(run, stored(run))
    kept = {name: _score_file(run, name, d, config, set()) for name, d in drawing.items()}
    for i, trace in enumerate(traces, start=1):
        todo = {n: d for n, d in drawing.items() if trace.id not in kept[n].frames}
        if todo:
            have = evidence(run, trace, arms)
            _score(trace, have, todo, kept, config["sampling"]["splits"])
            print(f"{i}/{len(traces)} scored {trace.id}", file=sys.stderr)
    for name, detector in drawing.items():
        asked = {arms[w.arm] for w in wanted(detector, NOTHING) if isinstance(w, Draw)}
        kept[name].status["arms"] = sorted(asked)
        kept[name].write("done")
    return list(drawing)


def _score_file(
    run: Path, name: str, detector: Detector, config: Mapping[str, Any], traces: set[str]
) -> ScoreFile:
    node = config["method"][name]
    hashed = json.dumps([node, config["sampling"]["splits"]], sort_keys=True).encode()
    learns = traces if isinstance(detector, Fittable) else None
    found = score_file_of(run, name, hashlib.sha256(hashed).hexdigest()[:16], learns)
    found.status |= declared(detector, node)
    return found


def _score(
    trace: Trace,
    have: Evidence,
    detectors: Mapping[str, Detector],
    kept: Mapping[str, ScoreFile],
    splits: int,
) -> None:
    """Score one trace by some detectors, which share its rollouts and embeddings."""
    for name, detector in detectors.items():
        start = time.monotonic()
        have = embedded(detector, trace, have)
        scored = score(detector, trace, have, splits)
        kept[name].add(trace, scored, time.monotonic() - start)
    if any(kept[name].due for name in detectors):
        for name in detectors:
            kept[name].write("partial")


def evidence(run: Path, trace: Trace, arms: Mapping[str, str]) -> Evidence:
    """The published rollouts of a trace under the arms that detectors ask for."""
    found = recorded.load(run / "rollouts" / slug(trace.id))
    n = len(trace.sentences)
    rollouts = {
        (arm, k): found.get((read, k), NONE) for arm, read in arms.items() for k in range(n + 1)
    }
    return replace(NOTHING, rollouts=rollouts)


def embedded(detector: Detector, trace: Trace, have: Evidence) -> Evidence:
    """With the embeddings that a detector wants still."""
    wants = detector.wants(trace, have) if isinstance(detector, Wants) else []
    for want in wants:
        if isinstance(want, Embed) and not answered(want, have):
            from harness.models.embedder import embed  # takes seconds: not before it is needed

            new = [text for text in want.texts if (want.model, text) not in have.embeddings]
            have = replace(have, embeddings={**have.embeddings, **embed(want.model, new)})
    return have
