"""A training set of a run's traces: as they are, with disclosures, with disclosed anchors."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from harness.convert.exporting import traces_of
from harness.convert.thought_anchors.importing import new_folder
from harness.convert.trelawney.disclosing import (
    Augmentation,
    Disclosure,
    chosen,
    told_at_random,
    told_at_top,
    written,
)
from harness.core import Trace, UserError
from harness.core.config import build
from harness.store import schema
from harness.store.files import write_bytes
from harness.store.reading import read_frame, read_yaml

PLAIN, DISCLOSED = "plain", "disclosed"
Row = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """The sets by name, each by split, and how many training traces a disclosure fits into."""

    sets: Mapping[str, Mapping[str, Sequence[Row]]]
    told: Mapping[str, int]


def augmentation(options: Mapping[str, str]) -> Augmentation:
    """What conf/convert/trelawney.yaml says, with a command line's KEY=VALUE; raises UserError."""
    text = (files("conf") / "convert" / "trelawney.yaml").read_text(encoding="utf-8")
    node = yaml.safe_load(text)["trelawney"]
    try:
        given = {key: yaml.safe_load(value) for key, value in options.items()}
    except yaml.YAMLError:
        raise UserError(f"trelawney: {' '.join(options.values())} is no value") from None
    return build(Augmentation, {**node, **given}, "trelawney")


def training_set(run: Path, out: Path, how: Augmentation) -> Made:
    """Write OUT/SET/train.jsonl and test.jsonl; raises UserError and writes nothing otherwise."""
    if out.exists():
        raise UserError(f"{out}: is there already; name a new folder")
    traces = _traces(run, how)
    scores = None if how.anchors is None else _scores(run, how.anchors, traces)
    made = sets(traces, scores, _instruction(run), how)
    with new_folder(out) as place:
        for name, splits in made.sets.items():
            for split, rows in splits.items():
                lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                write_bytes(place / name / f"{split}.jsonl", lines.encode())
    return made


def sets(
    traces: Sequence[Trace],
    scores: Mapping[str, np.ndarray] | None,
    instruction: str,
    how: Augmentation,
) -> Made:
    """The rows of each set; raises UserError where there is nothing to train on, or to tell."""
    train = [trace for trace in traces if not how.tested(trace.problem.id)]
    test = [trace for trace in traces if how.tested(trace.problem.id)]
    if not train or not test:
        lacks = "train on" if not train else "test on"
        raise UserError(f"trelawney.test: {how.test} leaves no problem to {lacks}; more problems")
    random = {t.id: told_at_random(t, how) for t in train if chosen(t, how)}
    told: dict[str, Mapping[str, Disclosure | None]] = {PLAIN: {}, DISCLOSED: random}
    if scores is not None:
        tops = {t.id: told_at_top(t, scores[t.id], how) for t in train if chosen(t, how)}
        told[f"anchors-{how.anchors}"] = tops
    counted = {name: sum(d is not None for d in of.values()) for name, of in told.items()}
    for name, n in counted.items():
        if name != PLAIN and not n:
            raise UserError(
                f"trelawney: no training trace has a sentence to disclose ({name}, gap "
                f"{how.gap[0]} to {how.gap[1]}); a smaller gap, or more traces"
            )
    rows = {
        name: {
            "train": [_row(trace, of.get(trace.id), instruction, how) for trace in train],
            "test": [_row(trace, None, instruction, how) for trace in test],
        }
        for name, of in told.items()
    }
    return Made(rows, counted)


def _row(trace: Trace, told: Disclosure | None, instruction: str, how: Augmentation) -> Row:
    return {
        "prompt": f"{trace.problem.question}\n\n{instruction}".strip(),
        "completion": written(trace, told, how),
        "problem_id": trace.problem.id,
        "trace_id": trace.id,
        "disclosed": None if told is None else told.sentence,
        "before": None if told is None else told.before,
    }


def _traces(run: Path, how: Augmentation) -> list[Trace]:
    """The traces that can be trained on."""
    found = [t for t in traces_of(run) if t.correct or not how.correct]
    if not found:
        raise UserError(f"{run}: has no trace with a right answer; try correct=false")
    for trace in found:
        if not trace.starts:
            raise UserError(f"{run}: does not say where the tokens of {trace.id} begin")
        for tag in (how.open, how.close):
            if tag in trace.text:
                raise UserError(f"{tag} is in the text of {trace.id} already; choose another one")
    return found


def _scores(run: Path, method: str, traces: Sequence[Trace]) -> dict[str, np.ndarray]:
    """A method's scores by trace, NaN where it has none."""
    paths = {path.stem: path for path in sorted(run.glob("scores/*.parquet"))}
    if method not in paths:
        there = ", ".join(paths) or "none"
        raise UserError(f"trelawney.anchors: {method} has no scores in {run}; there are {there}")
    frame = read_frame(paths[method], schema.SCORES, ["trace_id", "sentence", "score"])
    known = {(t, i): s for t, i, s in frame.fill_null(float("nan")).iter_rows()}
    return {
        trace.id: np.array(
            [known.get((trace.id, i), np.nan) for i in range(len(trace.sentences))], np.float64
        )
        for trace in traces
    }


def _instruction(run: Path) -> str:
    """What was asked of the model behind each question."""
    path = run / "run.yaml"
    values = read_yaml(path) if path.is_file() else {}
    return str((values.get("problems") or {}).get("instruction") or "")
