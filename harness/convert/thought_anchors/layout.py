"""The published layout of Thought Anchors: a folder a model, an outcome and a problem.

MODEL/correct_base_solution/problem_N (or incorrect_…) holds problem.json, base_solution.json,
chunks_labeled.json and, for some, step_importance_supp.json, step_importance.json and
chunks_resampled.json. Source: arXiv 2506.19143 and its site.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from harness.core import UserError

T = TypeVar("T")

OUTCOMES = ("correct_base_solution", "incorrect_base_solution")
LAYOUT = f"MODEL/{OUTCOMES[0]}/problem_N with base_solution.json and chunks_labeled.json"
Index = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Question:
    """problem.json."""

    problem: str
    gt_answer: str
    gt_solution: str | None = None


@dataclass(frozen=True)
class Solution:
    """base_solution.json: what the model was given and what it wrote."""

    prompt: str
    solution: str
    answer: str
    is_correct: bool


@dataclass(frozen=True)
class Chunk:
    """An entry of chunks_labeled.json: a sentence, its labels, its importances.

    `accuracy` is P(correct) of the rollouts that resample the sentence,
    `different_trajectories_fraction` the share of them that draw one of another meaning. Numbers
    that are not there are None. `depends_on` are the chunks that it rests on, as labelled.
    """

    chunk: Annotated[str, Field(pattern=r"\S")]
    chunk_idx: Index
    accuracy: FiniteFloat | None = None
    resampling_importance_accuracy: FiniteFloat | None = None
    resampling_importance_kl: FiniteFloat | None = None
    counterfactual_importance_accuracy: FiniteFloat | None = None
    counterfactual_importance_kl: FiniteFloat | None = None
    forced_importance_accuracy: FiniteFloat | None = None
    forced_importance_kl: FiniteFloat | None = None
    different_trajectories_fraction: FiniteFloat | None = None
    function_tags: list[str] = field(default_factory=list)
    depends_on: list[str | int] | None = None


@dataclass(frozen=True)
class Impact:
    """How a later sentence changes when the source is masked, or drawn anew."""

    target_chunk_idx: Index
    importance_score: FiniteFloat


@dataclass(frozen=True)
class Step:
    """What a sentence does to those after it, masked (step_importance_supp.json) or resampled."""

    source_chunk_idx: Index
    target_impacts: list[Impact]


@dataclass(frozen=True)
class Published:
    """One published trace.

    `steps` is None where attention was not masked, `resampled` (step_importance.json) where no
    sentence-to-sentence importance is, `drawn` (chunks_resampled.json: by chunk the sentences drawn
    in its place) where they were not published.
    """

    model: str
    number: str
    outcome: str
    question: Question
    solution: Solution
    chunks: Sequence[Chunk]
    steps: Sequence[Step] | None
    resampled: Sequence[Step] | None
    drawn: Mapping[int, Sequence[str]] | None

    @property
    def name(self) -> str:
        """The trace in messages."""
        return f"{self.model} problem_{self.number} ({self.outcome})"


QUESTION = TypeAdapter(Question)
SOLUTION = TypeAdapter(Solution)
CHUNKS = TypeAdapter(list[Chunk])
STEPS = TypeAdapter(list[Step])
DRAWN = TypeAdapter(dict[Index, list[str]])


class MissingError(UserError):
    """Something of a trace was not published: the trace is left out, the others are not."""


def published(root: Path) -> tuple[list[Published], list[str]]:
    """All traces below a folder, and what is missing of those that are left out.

    Raises UserError naming a file and what is wrong with it, or where no trace is whole.
    """
    if not root.is_dir():
        raise UserError(f"{root}: is no folder")
    folders = [
        path
        for outcome in OUTCOMES
        for path in sorted(root.glob(f"**/{outcome}/problem_*"))
        if path.is_dir()
    ]
    if not folders:
        raise UserError(f"{root}: holds no published traces; they lie as {LAYOUT}")
    found, missing = list[Published](), list[str]()
    for folder in folders:
        try:
            found.append(_trace(root, folder))
        except MissingError as error:
            missing.append(str(error))
    if not found:
        raise UserError(missing[0])
    return found, missing


def _trace(root: Path, folder: Path) -> Published:
    place = folder.parent.parent
    chunks = _read(folder / "chunks_labeled.json", CHUNKS.validate_python)
    if not chunks or [chunk.chunk_idx for chunk in chunks] != list(range(len(chunks))):
        raise MissingError(f"{folder / 'chunks_labeled.json'}: chunk_idx must count 0, 1, 2, …")
    n = len(chunks)
    masked, resampled = (folder / f"step_importance{end}.json" for end in ("_supp", ""))
    drawn = folder / "chunks_resampled.json"
    return Published(
        model=root.name if place == root else place.relative_to(root).as_posix(),
        number=folder.name.removeprefix("problem_"),
        outcome=folder.parent.name.partition("_")[0],
        question=_read(folder / "problem.json", QUESTION.validate_python),
        solution=_read(folder / "base_solution.json", SOLUTION.validate_python),
        chunks=chunks,
        steps=_steps(masked, n) if masked.exists() else None,
        resampled=_steps(resampled, n) if resampled.exists() else None,
        drawn=_drawn(drawn, n) if drawn.exists() else None,
    )


def _steps(path: Path, n: int) -> list[Step]:
    """The masked sentences; raises UserError for pairs that are not of the trace."""
    steps = _read(path, STEPS.validate_python)
    for step in steps:
        for impact in step.target_impacts:
            if not step.source_chunk_idx < impact.target_chunk_idx < n:
                raise UserError(
                    f"{path}: chunk {step.source_chunk_idx} cannot act on chunk "
                    f"{impact.target_chunk_idx} of {n}; targets come later in the trace"
                )
    return steps


def _drawn(path: Path, n: int) -> dict[int, list[str]]:
    """The sentences drawn in the place of each chunk; raises UserError for a chunk there is not."""
    found = _read(path, DRAWN.validate_python)
    if found and max(found) >= n:
        raise UserError(f"{path}: has chunk {max(found)}, and the trace {n}")
    return found


def _read(path: Path, checked: Callable[[Any], T]) -> T:
    """A JSON file as what it should hold; keys that no field reads are left alone."""
    try:
        return checked(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise MissingError(f"{path}: is missing") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path}: broken JSON ({error})") from None
    except ValidationError as error:
        raise UserError(f"{path}: {_first(error.errors()[0])}") from None


def _first(error: Any) -> str:
    where = " ".join(str(part) for part in error["loc"])
    return f"{where}: {error['msg']}, got {error['input']!r:.60}".removeprefix(": ")
