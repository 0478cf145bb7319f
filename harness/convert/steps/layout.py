"""Labelled solutions as they were published, a row each.

PRM800K (github.com/openai/prm800k, README): `question` with `problem`, `ground_truth_answer` and
`ground_truth_solution`; `label` with `steps`, each with `completions` (`text`, `rating` of -1, 0
or 1), `human_completion` and `chosen_completion`, and `finish_reason`.

ProcessBench (Qwen/ProcessBench, as code/run_eval_prm_rlhflow.py of github.com/QwenLM/ProcessBench
reads it): `problem`, `steps`, and `label`, the first step that is wrong, counted from 0, or -1.

Math-Shepherd (peiyi9979/Math-Shepherd, its card): `input`, a problem and its steps, each with ки
behind it, and `label`, the same with + or - for each ки; a step is + if some rollout behind it came
to the right answer.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from harness.core import UserError
from harness.problems.jsonl import Row
from harness.problems.jsonl import read as read_lines
from harness.store.reading import read_frame

RIGHT, NEUTRAL, WRONG, BEHIND = "right_step", "neutral_step", "wrong_step", "behind_wrong_step"
RATED = {1: RIGHT, 0: NEUTRAL, -1: WRONG}
MARK, FIRST = "ки", "Step 1:"  # of Math-Shepherd: behind each step, and where the steps begin
Kind = Literal["prm800k", "processbench", "math_shepherd"]
T = TypeVar("T")


@dataclass(frozen=True)
class Solution:
    """The steps of a solution with a label each, None where nobody gave one; gold may be ""."""

    question: str
    gold: str
    worked: str | None
    steps: tuple[str, ...]
    labels: tuple[str | None, ...]
    correct: bool


@dataclass(frozen=True)
class Question:
    """The problem of a PRM800K row."""

    problem: str
    ground_truth_answer: str
    ground_truth_solution: str | None = None


@dataclass(frozen=True)
class Completion:
    """A step that a model wrote, and what the labeller gave it."""

    text: str
    rating: Literal[-1, 0, 1] | None


@dataclass(frozen=True)
class HumanCompletion:
    """A step that a labeller wrote."""

    text: str


@dataclass(frozen=True)
class Step:
    """What was offered at a step, and which of it the solution goes on with."""

    completions: list[Completion]
    human_completion: str | HumanCompletion | None = None
    chosen_completion: int | None = None


@dataclass(frozen=True)
class Label:
    """The labelled steps, and how the labelling ended."""

    steps: list[Step]
    finish_reason: str


@dataclass(frozen=True)
class Rated:
    """A row of PRM800K."""

    question: Question
    label: Label


@dataclass(frozen=True)
class Located:
    """A row of ProcessBench."""

    problem: str
    steps: list[str]
    label: int


@dataclass(frozen=True)
class Marked:
    """A row of Math-Shepherd."""

    input: str
    label: str


RATED_ROW, LOCATED_ROW = TypeAdapter(Rated), TypeAdapter(Located)
MARKED_ROW = TypeAdapter(Marked)


def solutions(path: Path, kind: Kind, skipped: Counter[str]) -> Iterator[Solution]:
    """The solutions of a file of JSON lines or of parquet; what is left out is counted by reason.

    Raises UserError naming the row that is of another layout.
    """
    taken: dict[str, Callable[[Row, Counter[str]], Solution | None]] = {
        "prm800k": _rated,
        "processbench": _located,
        "math_shepherd": _marked,
    }
    for row in _rows(path):
        found = taken[kind](row, skipped)
        if found:
            yield found


def _rows(path: Path) -> Iterable[Row]:
    if path.suffix == ".parquet":
        return [
            Row(f"{path} row {i}", row) for i, row in enumerate(read_frame(path, {}).to_dicts())
        ]
    return read_lines(str(path))


def _rated(row: Row, skipped: Counter[str]) -> Solution | None:
    """The steps that were gone on with, and the one behind them that was not."""
    found = _checked(RATED_ROW.validate_python, row)
    if found.label.finish_reason not in ("solution", "found_error"):
        skipped[f"solutions that ended as {found.label.finish_reason}"] += 1
        return None
    steps, labels = list[str](), list[str | None]()
    for step in found.label.steps:
        text, rating = _chosen(row, step)
        steps.append(text)
        labels.append(RATED.get(rating) if rating is not None else None)
        if step.chosen_completion is None and step.human_completion is None:
            break  # nothing stands behind a step that was not gone on with
    if not all(text.strip() for text in steps) or not steps:
        skipped["solutions with an empty step"] += 1
        return None
    about = found.question
    right = found.label.finish_reason == "solution"
    gold, worked = about.ground_truth_answer, about.ground_truth_solution
    return Solution(about.problem, gold, worked, tuple(steps), tuple(labels), right)


def _chosen(row: Row, step: Step) -> tuple[str, int | None]:
    """Text and rating of a step; of one that was not gone on with, those of the first offered."""
    if step.chosen_completion is None and step.human_completion is not None:
        written = step.human_completion
        return written if isinstance(written, str) else written.text, None
    at = step.chosen_completion or 0
    if not 0 <= at < len(step.completions):
        raise UserError(
            f"{row.where}: chosen_completion {at} of {len(step.completions)} completions"
        )
    return step.completions[at].text, step.completions[at].rating


def _located(row: Row, skipped: Counter[str]) -> Solution | None:
    found = _checked(LOCATED_ROW.validate_python, row)
    n = len(found.steps)
    if not -1 <= found.label < n:
        raise UserError(f"{row.where}: label {found.label} of {n} steps")
    if not found.steps or not all(text.strip() for text in found.steps):
        skipped["solutions with an empty step"] += 1
        return None
    first = n if found.label == -1 else found.label
    labels = [RIGHT if i < first else WRONG if i == first else BEHIND for i in range(n)]
    return Solution(found.problem, "", None, tuple(found.steps), tuple(labels), first == n)


def _marked(row: Row, skipped: Counter[str]) -> Solution | None:
    """The steps with the sign of each; of wrong ones in a row the first is the wrong step."""
    found = _checked(MARKED_ROW.validate_python, row)
    before, mark, after = found.input.partition(FIRST)
    pieces = (mark + after).split(MARK)[:-1]
    signs = _signs(found, before, pieces)
    if not mark or not pieces or signs is None:
        raise UserError(f"{row.where}: label is not input with + or - in the place of each {MARK}")
    steps = tuple(piece.strip() for piece in pieces)
    if not all(steps):
        skipped["solutions with an empty step"] += 1
        return None
    named = {"++": RIGHT, "-+": RIGHT, "+-": WRONG, "--": BEHIND}
    labels = tuple(named[a + b] for a, b in zip("+" + signs, signs, strict=False))
    return Solution(before.strip(), "", None, steps, labels, signs[-1] == "+")


def _signs(found: Marked, before: str, pieces: Sequence[str]) -> str | None:
    """The sign of each step, None where the label says something else than the input."""
    at, signs = 0, ""
    for piece in [before + pieces[0], *pieces[1:]] if pieces else []:
        behind = at + len(piece)
        sign = found.label[behind : behind + 1]
        if not found.label.startswith(piece, at) or sign not in ("+", "-"):
            return None
        at, signs = behind + 1, signs + sign
    return None if found.label[at:].strip() or found.input.rpartition(MARK)[2].strip() else signs


def _checked(checked: Callable[[Any], T], row: Row) -> T:
    try:
        return checked(row.values)
    except ValidationError as error:
        first: Any = error.errors()[0]
        where = " ".join(str(part) for part in first["loc"])
        raise UserError(
            f"{row.where}: {where}: {first['msg']}, got {first['input']!r:.60}"
        ) from None
