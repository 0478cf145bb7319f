"""A run folder of published traces, written as a whole or not at all."""

import shutil
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from harness.agreement import Agreement
from harness.convert.thought_anchors.cutting import locate, same_boundaries
from harness.convert.thought_anchors.layout import Published, published
from harness.convert.thought_anchors.metrics import (
    METRICS,
    Undefined,
    imported_detectors,
    undefined_counterfactual,
)
from harness.convert.thought_anchors.text_detectors import score_traces, text_detectors
from harness.core import Problem, Trace, UserError
from harness.core.config import build, check
from harness.report.settings import Report
from harness.store import folder, schema
from harness.store.files import write_frame, write_yaml, writing
from harness.store.scores import ScoreFile
from harness.store.traces import problem_frame, sentence_frame, trace_frame
from harness.text.answers import canonical
from harness.text.segmentation import Segmentation, Segmenter, reasoning_span, sentences

KIND = "thought_anchors"
TAGS = ("<think>", "</think>")  # of the reasoning, in every published model


@dataclass(frozen=True)
class Imports:
    """The traces read, what was published of each by id, and how many our segmenter cuts alike."""

    traces: tuple[Trace, ...]
    published: Mapping[str, Published]
    same_boundaries: int

    @property
    def unknown(self) -> int:
        """Sentences without a counterfactual importance."""
        return sum(
            int(undefined_counterfactual(found.chunks).sum()) for found in self.published.values()
        )


def convert(root: Path, run: Path, undefined: str, config: Mapping[str, Any]) -> Imports:
    """Make `run` of the published traces below `root`; `config` is a composed one.

    Besides what was published, the detectors of the config that read the text alone are scored.
    Raises UserError for data that is not of the layout and for a folder that holds something.
    """
    treated: Undefined = check(Undefined, undefined, "undefined")
    segmenter = build(Segmentation, config["segmentation"], "segmentation").segmenter
    build(Agreement, config["agreement"], "agreement")
    build(Report, config["report"], "report")
    detectors = text_detectors(config["method"])
    _check_place(run)
    found = read(root, segmenter)
    methods = {**imported_detectors(found.published, treated), **detectors}
    with new_folder(run) as place:
        _write(place, found, _run_yaml(config, treated, list(detectors)))
        for name, detector in methods.items():
            # Drawn, but without scores of half samples: their reliability is unknown, not 1.
            status = {"arms": [f"published {name}"]} if name in METRICS else {}
            score_file = ScoreFile(place, name, "", {}, status)
            node = config["method"].get(name, {}) if name in detectors else {}
            score_traces(score_file, detector, found.traces, config["calibration"]["folds"], node)
    return found


def read(root: Path, segmenter: Segmenter) -> Imports:
    """The published traces as traces of the harness, their tokens being characters."""
    every = {_id(one): one for one in published(root)}
    cut = {name: _trace(name, one, segmenter) for name, one in every.items()}
    return Imports(tuple(t for t, _ in cut.values()), every, sum(same for _, same in cut.values()))


def _id(one: Published) -> str:
    return f"{KIND}/{one.number}#{one.model}-{one.outcome}"


def _trace(name: str, one: Published, segmenter: Segmenter) -> tuple[Trace, bool]:
    """The trace with the published sentences and labels, and whether `segmenter` cuts it alike."""
    question, text = one.question, one.solution.solution
    span = reasoning_span(text, *TAGS)
    try:
        starts = locate(text, span, [chunk.chunk for chunk in one.chunks])
    except UserError as error:
        raise UserError(f"{one.name}: {error}") from None
    same = same_boundaries(text, span, starts, segmenter)
    spans = [(a - span[0], b - span[0]) for a, b in pairwise([*starts, span[1]])]
    cut = sentences(text, range(len(text)), span, segmenter if same else lambda _: spans)
    tags = [chunk.function_tags[:1] or [None] for chunk in one.chunks]
    trace = Trace(
        id=name,
        problem=Problem(
            id=f"{KIND}/{one.number}",
            question=question.problem,
            answer=question.gt_answer,
            solution=question.gt_solution,
            source=KIND,
            role="evaluate",
        ),
        model=one.model,
        revision="",
        seed=0,
        prompt_ids=tuple(map(ord, one.solution.prompt)),
        token_ids=tuple(map(ord, text)),
        text=text,
        sentences=tuple(replace(s, category=t) for s, (t,) in zip(cut, tags, strict=True)),
        answer=canonical(one.solution.answer),
        correct=one.solution.is_correct,
        origin=KIND,
        finish_reason="",
        starts=tuple(range(len(text))),
    )
    return trace, same


def _run_yaml(config: Mapping[str, Any], undefined: str, detectors: list[str]) -> dict[str, Any]:
    """The content of a converted run's run.yaml."""
    kept = {key: config[key] for key in ("segmentation", "calibration", "agreement", "report")}
    return {
        "convert": {"kind": KIND, "undefined": undefined},
        "method": {name: config["method"][name] for name in detectors},
        **kept,
        "identity": {"convert": KIND, "undefined": undefined},
        **folder.provenance(),
    }


def _write(place: Path, found: Imports, described: Mapping[str, Any]) -> None:
    problems = {trace.problem.id: trace.problem for trace in found.traces}
    seedless = pl.lit(None, dtype=schema.TRACES["seed"]).alias("seed")
    write_frame(place / "problems.parquet", problem_frame(list(problems.values())))
    write_frame(place / "sentences.parquet", sentence_frame(found.traces))
    write_frame(place / "traces.parquet", trace_frame(found.traces).with_columns(seedless))
    write_yaml(place / folder.FILE, described)


def _check_place(run: Path) -> None:
    folder.check_place(run)
    if (run / folder.FILE).exists():
        raise UserError(f"{run}: holds a run already; name another folder")


@contextmanager
def new_folder(run: Path) -> Generator[Path]:
    """A folder to fill that becomes `run` in the end, and vanishes if something fails."""
    draft = run.with_name(f".{run.name}.{uuid.uuid4().hex[:8]}")
    try:
        with writing(draft):
            draft.mkdir(parents=True)
        yield draft
        with writing(run):
            draft.replace(run)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
