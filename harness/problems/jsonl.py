"""Problems from a file of JSON lines, and what the sources of problems share."""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core import Problem, UserError
from harness.text.answers import PATTERN, same
from harness.text.patterns import compiled


@dataclass(frozen=True)
class Jsonl:
    """Rows {question, answer} with optional id and solution; answers are compared by `same`.

    `limit` problems are evaluated (null: all) and the last `reference` are references, in the
    order of the file or shuffled by `seed`. `instruction` follows the question in the prompt;
    `pattern` finds an answer that is in no box, as its group 1.
    """

    name: str
    path: str | None
    limit: int | None
    reference: int
    seed: int | None
    instruction: str
    pattern: str

    def __post_init__(self) -> None:
        check_counts(self.limit, self.reference)
        check_pattern(self.pattern)

    def load(self) -> list[Problem]:
        """All problems to evaluate, then the references; raises UserError naming a bad line."""
        rows = read(self.path)
        problems = [self._problem(index, row) for index, row in enumerate(rows)]
        check_ids(rows, problems)
        return assign_roles(problems, self.limit, self.reference, self.seed)

    def correct(self, problem: Problem, answer: str) -> bool:
        """Whether a canonical answer equals the gold answer."""
        return same(answer, problem.answer)

    def _problem(self, index: int, row: "Row") -> Problem:
        id = row.text("id") if row.has("id") else f"{self.name}/{index}"
        solution = row.text("solution") if row.has("solution") else None
        question, answer = row.text("question"), row.text("answer")
        if "####" in answer:
            raise UserError(
                f"{row.where}: the answer holds '####', as GSM8K's worked solutions do; "
                f"read the file with problems=gsm8k problems.path={self.path}"
            )
        return Problem(id, question, answer, solution, self.name, "evaluate")


def check_ids(rows: Sequence["Row"], problems: Sequence[Problem]) -> None:
    """Raise UserError for an id that was used before, or would be the same name on other disks."""
    places: dict[str, tuple[str, str]] = {}
    for row, problem in zip(rows, problems, strict=True):
        first, where = places.setdefault(problem.id.casefold(), (problem.id, row.where))
        if where != row.where and first == problem.id:
            raise UserError(f"{row.where}: id {problem.id!r} was used before, in {where}")
        if where != row.where:
            raise UserError(
                f"{row.where}: id {problem.id!r} differs from {first!r} in {where} by case alone, "
                "which some file systems do not tell apart; rename one"
            )


@dataclass(frozen=True)
class Row:
    """A row of data, and where it stands for messages."""

    where: str
    values: dict[str, Any]

    def has(self, key: str) -> bool:
        """Whether there is a value."""
        return self.values.get(key) is not None

    def text(self, key: str) -> str:
        """A value that must be there, a number as text; raises UserError otherwise."""
        value = self.values.get(key)
        if value is None:
            raise UserError(f"{self.where}: {key} is missing; a row needs question and answer")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise UserError(f"{self.where}: {key} must be text or a number, got {value!r:.60}")
        text = str(value).strip()
        if not text:
            raise UserError(f"{self.where}: {key} is empty")
        if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
            raise UserError(f"{self.where}: {key} holds half a surrogate pair, which is no text")
        return text


def read(path: str | None) -> list[Row]:
    """The objects of a file of JSON lines, blank lines left out.

    Raises UserError naming the file, and the line where there is one.
    """
    if path is None:
        raise UserError("problems.path: which file? Give problems.path=FILE")
    try:
        data = Path(path).expanduser().read_bytes()
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path} line {line}: not UTF-8; convert the file") from None
    except OSError as error:
        raise UserError(f"problems.path: cannot read {path} ({error.strerror})") from None
    # Not splitlines: it also cuts at separators that JSON allows inside a string.
    lines = enumerate(content.split("\n"), start=1)
    rows = [_row(f"{path} line {number}", line) for number, line in lines if line.strip()]
    if not rows:
        raise UserError(f"{path}: no rows in it")
    return rows


def _row(where: str, line: str) -> Row:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:  # also an integer of thousands of digits
        # Its own place in the text is always line 1: the one in the file is known.
        raise UserError(f"{where}: broken JSON ({str(error).partition(': line')[0]})") from None
    if not isinstance(values, dict):
        raise UserError(f"{where}: expected an object in braces, got {line.strip():.60}")
    return Row(where, values)


def assign_roles(
    problems: Iterable[Problem], limit: int | None, reference: int, seed: int | None
) -> list[Problem]:
    """The first `limit` problems (null: all) and the last `reference`, after a shuffle by `seed`.

    So neither depends on how many of the other there are; where they would meet there are fewer
    references.
    """
    order = list(problems)
    if seed is not None:
        random.Random(seed).shuffle(order)
    stop = len(order) if limit is None else limit
    return order[:stop] + as_reference(order[max(stop, len(order) - reference) :])


def as_reference(problems: Sequence[Problem]) -> list[Problem]:
    """The problems in the role of references."""
    return [replace(problem, role="reference") for problem in problems]


def check_counts(limit: int | None, reference: int) -> None:
    """Raise UserError for counts that make no set."""
    if limit is not None and limit < 1:
        raise UserError(f"problems.limit: at least 1, got {limit}")
    if reference < 0:
        raise UserError(f"problems.reference: at least 0, got {reference}")


def check_pattern(pattern: str) -> None:
    """Raise UserError for a pattern that cannot find an answer."""
    if pattern and compiled(pattern, PATTERN).groups < 1:
        raise UserError("problems.pattern: put the answer in a group, as in 'answer is (.+)'")
