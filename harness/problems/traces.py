"""Problems with traces that were made elsewhere, to be read by the model of the run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from harness.core import Problem, UserError, Written
from harness.problems.hub import hub
from harness.problems.jsonl import Row, assign_roles, check_counts, check_pattern, read
from harness.text.answers import same

MODEL = ("assistant", "gpt")  # who speaks in the messages of a model


@dataclass(frozen=True)
class Traces:
    """Rows of a question, what was written for it and its gold answer, one row a trace.

    Or several: the text may be a list of texts, or of messages, of which the last of the model's
    is taken.

    From `path`, a file of JSON lines or of parquet, or from the hub's `dataset`. `question`, `text`
    and `gold` name the columns, as do those that may be null: `answer` (null: it is looked for in
    the text), `id` of the problem (null: rows of one question are one problem), `by` (who wrote it;
    null: the file or the set) and `solution`. The reasoning stands between `open_tag` and
    `close_tag`. Of each problem the first `each` traces are taken (null: all), `limit` problems are
    evaluated (null: all) and the last `reference` are references, in the order of the rows or
    shuffled by `seed`. `instruction` follows the question in the prompt; `pattern` finds an answer
    in no box, as its group 1.
    """

    name: str
    path: str | None
    dataset: str | None
    subset: str | None
    split: str
    question: str
    text: str
    gold: str
    answer: str | None
    id: str | None
    by: str | None
    solution: str | None
    open_tag: str
    close_tag: str
    each: int | None
    limit: int | None
    reference: int
    seed: int | None
    instruction: str
    pattern: str

    def __post_init__(self) -> None:
        check_counts(self.limit, self.reference)
        check_pattern(self.pattern)
        if self.each is not None and self.each < 1:
            raise UserError(f"problems.each: at least 1, got {self.each}")

    def load(self) -> list[Problem]:
        """All problems to evaluate, then the references; raises UserError naming a bad row."""
        problems = [problem for problem, _ in self._known.values()]
        return assign_roles(problems, self.limit, self.reference, self.seed)

    def correct(self, problem: Problem, answer: str) -> bool:
        """Whether a canonical answer equals the gold answer."""
        return same(answer, problem.answer)

    def written(self, problem: Problem) -> tuple[Written, ...]:
        """What the rows of a problem hold, in their order."""
        _, found = self._known.get(problem.id, (problem, []))
        return tuple(found[: self.each])

    @cached_property
    def _known(self) -> dict[str, tuple[Problem, list[Written]]]:
        """Each problem and what was written for it, by id."""
        found: dict[str, tuple[Problem, list[Written]]] = {}
        names: dict[str, str] = {}
        for row in self._rows():
            question = row.text(self.question)
            id = names.setdefault(question, f"{self.name}/{len(names)}")
            problem = self._problem(row, id if self.id is None else row.text(self.id), question)
            before, texts = found.setdefault(problem.id, (problem, []))
            if (before.question, before.answer) != (problem.question, problem.answer):
                raise UserError(
                    f"{row.where}: problem {problem.id} has another question or gold answer there "
                    "than in a row before; name the column of its id, problems.id=COLUMN"
                )
            texts += self._written(row)
        return found

    def _rows(self) -> list[Row]:
        """Raises UserError for a source that lacks a column that is named."""
        named = [self.question, self.text, self.gold]
        more = [c for c in (self.answer, self.id, self.by, self.solution) if c is not None]
        if (self.path is None) == (self.dataset is None):
            raise UserError("problems: give one of problems.path=FILE and problems.dataset=NAME")
        if self.path is None:
            rows = hub(str(self.dataset), self.subset, self.split)
        elif self.path.endswith(".parquet"):
            rows = _parquet(self.path, [*named, *more])
        else:
            rows = read(self.path)
        for column in [*named, *more]:
            if all(column not in row.values for row in rows):
                raise UserError(_lacking(self.path or str(self.dataset), column, rows[0].values))
        return rows

    def _problem(self, row: Row, id: str, question: str) -> Problem:
        solved = self.solution is not None and row.has(self.solution)
        return Problem(
            id=id,
            question=question,
            answer=row.text(self.gold),
            solution=row.text(self.solution) if solved and self.solution else None,
            source=self.name,
            role="evaluate",
        )

    def _written(self, row: Row) -> list[Written]:
        """The texts of a row, their spaces kept; an answer is told of the only one."""
        texts = _texts(row, self.text)
        answered = self.answer is not None and row.has(self.answer)
        if answered and len(texts) > 1:
            raise UserError(
                f"{row.where}: {self.text} holds {len(texts)} texts and {self.answer} one answer; "
                "leave problems.answer out, and it is looked for in each text"
            )
        answer = row.text(self.answer) if answered and self.answer else None
        by = row.text(self.by) if self.by else Path(self.path or str(self.dataset)).name
        return [Written(text=text, answer=answer, by=by) for text in texts]


def _texts(row: Row, column: str) -> list[str]:
    """The text of a column, those of a list, or of a list of messages the last of the model's.

    Raises UserError where there is none.
    """
    value: Any = row.values.get(column)
    every: list[Any] = value if isinstance(value, list) else [value]
    if all(isinstance(each, dict) for each in every):
        every = [_said(each) for each in every if each.get("role", each.get("from")) in MODEL][-1:]
    if not every:
        raise UserError(f"{row.where}: {column} holds no text of the model's")
    for each in every:
        Row(row.where, {column: each}).text(column)  # that it is text; its spaces are kept
    return list(map(str, every))


def _said(message: Mapping[str, Any]) -> Any:
    """What stands in a message, as {role, content} or as {from, value}; parts of text as one."""
    content: Any = message.get("content", message.get("value"))
    if isinstance(content, list) and all(isinstance(part, dict) for part in content):
        parts: list[Any] = content
        told = [part.get("text") for part in parts if part.get("type") == "text"]
        return "".join(told) if told and all(isinstance(text, str) for text in told) else None
    return content


def _parquet(path: str, columns: Iterable[str]) -> list[Row]:
    """The rows of a parquet file, of it only the columns named."""
    place = Path(path).expanduser()
    try:
        there = pl.read_parquet_schema(place)
        wanted = [column for column in dict.fromkeys(columns) if column in there]
        frame = pl.read_parquet(place, columns=wanted)
    except (OSError, PolarsError) as error:
        gone = isinstance(error, FileNotFoundError)
        reason = "there is no such file" if gone else "it is no parquet"
        raise UserError(f"problems.path: cannot read {path} ({reason})") from None
    if frame.is_empty():
        raise UserError(f"{path}: {'no rows in it' if wanted else _columns(there)}")
    return [Row(f"{path} row {i}", row) for i, row in enumerate(frame.iter_rows(named=True))]


def _lacking(where: str, column: str, there: Iterable[str]) -> str:
    return f"{where}: no column {column}; {_columns(there)}; see conf/problems/traces.yaml"


def _columns(there: Iterable[str]) -> str:
    return f"it has {', '.join(sorted(there))[:200]}"
