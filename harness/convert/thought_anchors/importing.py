"""A run folder of published traces, written as a whole or not at all."""

import shutil
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from harness.agreement import Agreement
from harness.convert.published import Told, trace_of
from harness.convert.thought_anchors.layout import Published, published
from harness.convert.thought_anchors.metrics import (
    METRICS,
    Undefined,
    imported_detectors,
    right_or_wrong,
    undefined_counterfactual,
)
from harness.convert.thought_anchors.text_detectors import score_traces, text_detectors
from harness.core import NO_ANSWER, Problem, Trace, UserError
from harness.core.config import build, check
from harness.report.settings import Report
from harness.store import folder, schema
from harness.store.files import rows, slug, write_frame, write_yaml, writing
from harness.store.scores import ScoreFile
from harness.store.traces import problem_frame, sentence_frame, trace_frame
from harness.text.answers import canonical
from harness.text.segmentation import Segmentation, Segmenter

KIND = "thought_anchors"


@dataclass(frozen=True)
class Imports:
    """The traces read, what was published of each by id, and how many our segmenter cuts alike.

    `missing` says of each trace that is left out what was not published of it.
    """

    traces: tuple[Trace, ...]
    published: Mapping[str, Published]
    same_boundaries: int
    missing: tuple[str, ...]

    @property
    def unknown(self) -> int:
        """Sentences without a counterfactual importance."""
        return sum(
            int(undefined_counterfactual(found.chunks).sum()) for found in self.published.values()
        )

    @property
    def lacking(self) -> dict[str, int]:
        """How many sentences lack each number that others, or all, have been published with."""
        keys = ("accuracy", *dict.fromkeys(metric.key for metric in METRICS.values()))
        every = [chunk for found in self.published.values() for chunk in found.chunks]
        counts = {key: sum(getattr(chunk, key) is None for chunk in every) for key in keys}
        return {key: n for key, n in counts.items() if n}


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
    whole, missing = published(root)
    every = {_id(one): one for one in whole}
    cut = {name: _trace(name, one, segmenter) for name, one in every.items()}
    same = sum(alike for _, alike in cut.values())
    return Imports(tuple(t for t, _ in cut.values()), every, same, tuple(missing))


def _id(one: Published) -> str:
    return f"{KIND}/{one.number}#{one.model}-{one.outcome}"


def _trace(name: str, one: Published, segmenter: Segmenter) -> tuple[Trace, bool]:
    """The trace with the published sentences and labels, and whether `segmenter` cuts it alike."""
    question, solution = one.question, one.solution
    problem = Problem(
        id=f"{KIND}/{one.number}",
        question=question.problem,
        answer=question.gt_answer,
        solution=question.gt_solution,
        source=KIND,
        role="evaluate",
    )
    answer, right = canonical(solution.answer), solution.is_correct
    told = Told(name, problem, one.model, solution.prompt, solution.solution, answer, right)
    tags = [chunk.function_tags[0] if chunk.function_tags else None for chunk in one.chunks]
    try:
        return trace_of(told, KIND, [chunk.chunk for chunk in one.chunks], tags, segmenter)
    except UserError as error:
        raise UserError(f"{one.name}: {error}") from None


def _run_yaml(config: Mapping[str, Any], undefined: str, detectors: list[str]) -> dict[str, Any]:
    """The content of a converted run's run.yaml."""
    kept = {key: config[key] for key in ("segmentation", "calibration", "agreement", "report")}
    return {
        "convert": {"kind": KIND, "undefined": undefined},
        "method": {name: config["method"][name] for name in detectors},
        "claim": config.get("claim") or _claims(),
        **kept,
        "identity": {"convert": KIND, "undefined": undefined},
        **folder.provenance(),
    }


def _claims() -> dict[str, Any]:
    """The claims that what was published can test."""
    return yaml.safe_load((Path(__file__).parent / "claims.yaml").read_text(encoding="utf-8"))


def _write(place: Path, found: Imports, described: Mapping[str, Any]) -> None:
    problems = {trace.problem.id: trace.problem for trace in found.traces}
    write_frame(place / "problems.parquet", problem_frame(list(problems.values())))
    write_frame(place / "sentences.parquet", _sentences(found))
    for trace in found.traces:
        if drawn := found.published[trace.id].drawn:
            table = first_sentences(trace, drawn)
            write_frame(place / "rollouts" / slug(trace.id) / "published.parquet", table)
    write_frame(place / "traces.parquet", trace_frame(found.traces))
    write_yaml(place / folder.FILE, described)


def _sentences(found: Imports) -> pl.DataFrame:
    """With the headroom, of which the published accuracies tell only whether answers are right."""
    left = [right_or_wrong(found.published[trace.id].chunks) for trace in found.traces]
    headroom = pl.Series("headroom", np.concatenate(left), dtype=pl.Float64).fill_nan(None)
    return sentence_frame(found.traces).with_columns(headroom)


def first_sentences(trace: Trace, drawn: Mapping[int, Sequence[str]]) -> pl.DataFrame:
    """The sentences drawn in the place of each chunk as rollouts that end with them, unanswered."""
    common = {"trace_id": trace.id, "arm": "sentence", "chunk": 0, "cut": [], "token_ids": []}
    common |= {"answer": NO_ANSWER, "correct": False, "finish_reason": "sentence"}
    every = [
        {**common, "boundary": i, "origin": i, "draw": draw, "first_sentence": text.strip()}
        for i, texts in sorted(drawn.items())
        for draw, text in enumerate(texts)
    ]
    return rows(every, schema.ROLLOUTS)


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
