"""A run folder of labelled solutions: a sentence a step, its label the category."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from harness.agreement import Agreement
from harness.convert.published import Told, trace_of
from harness.convert.steps.layout import NEUTRAL, RIGHT, WRONG, Kind, Solution, solutions
from harness.convert.thought_anchors.importing import new_folder
from harness.convert.thought_anchors.text_detectors import score_traces, text_detectors
from harness.core import Detector, Evidence, Problem, SentenceScores, Trace, UserError
from harness.core.config import build
from harness.report.settings import Report
from harness.store import folder
from harness.store.files import write_frame, write_yaml
from harness.store.scores import ScoreFile
from harness.store.traces import problem_frame, sentence_frame, trace_frame
from harness.text.answers import canonical, extract
from harness.text.segmentation import Segmentation, Segmenter

NAME = "labelled_error"
# How the last step of a solution ends, of PRM800K and of Math-Shepherd
ANSWER = r"(?:# Answer|The answer is:)\s+(\S.*)"
VALUES = {WRONG: 1.0, RIGHT: 0.0, NEUTRAL: 0.0}


@dataclass(frozen=True)
class LabelledError:
    """Whether a step was labelled wrong: 1, or 0; NaN where nobody said."""

    family = "labels"
    signed = False

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """By the category of each sentence."""
        values = [VALUES.get(s.category or "", np.nan) for s in trace.sentences]
        return SentenceScores(np.array(values, dtype=np.float64))


def convert(
    path: Path, run: Path, kind: Kind, limit: int | None, config: Mapping[str, Any]
) -> tuple[list[Trace], Counter[str]]:
    """Make `run` of the first `limit` solutions of a file; its traces, and what was left out.

    The detectors of the config that read the text alone are scored. Raises UserError for data of
    another layout and for a folder that holds something.
    """
    segmenter = build(Segmentation, config["segmentation"], "segmentation").segmenter
    build(Agreement, config["agreement"], "agreement")
    detectors = {NAME: LabelledError(), **text_detectors(config["method"])}
    skipped = Counter[str]()
    every = list(islice(solutions(path, kind, skipped), limit))
    traces = traces_of(every, kind, segmenter, skipped)
    if not traces:
        raise UserError(f"{path}: holds no solution that can be taken")
    written_run(run, kind, traces, detectors, config)
    return traces, skipped


def written_run(
    run: Path,
    kind: str,
    traces: Sequence[Trace],
    detectors: Mapping[str, Detector],
    config: Mapping[str, Any],
) -> None:
    """Make `run` of traces, scored by detectors; those of the config are described as it says.

    Raises UserError for a folder that holds something.
    """
    build(Report, config["report"], "report")
    folder.check_place(run)
    if (run / folder.FILE).exists():
        raise UserError(f"{run}: holds a run already; name another folder")
    nodes = {name: config["method"][name] for name in detectors if name in config["method"]}
    with new_folder(run) as place:
        _write(place, traces, _described(config, kind, nodes))
        for name, detector in detectors.items():
            kept = ScoreFile(place, name, "", {}, {})
            folds = config["calibration"]["folds"]
            score_traces(kept, detector, traces, folds, nodes.get(name, {}))


def traces_of(
    every: Sequence[Solution], kind: Kind, segmenter: Segmenter, skipped: Counter[str]
) -> list[Trace]:
    """The solutions as traces, those of one question as traces of one problem."""
    problems: dict[str, Problem] = {}
    written = Counter[str]()
    found: list[Trace] = []
    for one in every:
        id = f"{kind}/{len(problems)}"
        made = Problem(id, one.question, one.gold, one.worked, kind, "evaluate")
        problem = problems.setdefault(one.question, made)
        text = "\n\n".join(one.steps)
        answer = canonical(extract(text, ANSWER))
        name = f"{problem.id}#{written[problem.id]}"
        told = Told(name, problem, kind, one.question, text, answer, one.correct)
        try:
            found.append(trace_of(told, kind, one.steps, one.labels, segmenter)[0])
        except UserError:
            skipped["solutions with tags inside"] += 1
            continue
        written[problem.id] += 1
    return found


def _described(config: Mapping[str, Any], kind: str, nodes: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: config[key] for key in ("segmentation", "calibration", "agreement", "report")}
    return {
        "convert": {"kind": kind},
        "method": dict(nodes),
        **kept,
        "identity": {"convert": kind},
        **folder.provenance(),
    }


def _write(place: Path, traces: Sequence[Trace], described: Mapping[str, Any]) -> None:
    problems = {trace.problem.id: trace.problem for trace in traces}
    write_frame(place / "problems.parquet", problem_frame(list(problems.values())))
    write_frame(place / "sentences.parquet", sentence_frame(traces))
    write_frame(place / "traces.parquet", trace_frame(traces))
    write_yaml(place / folder.FILE, described)
