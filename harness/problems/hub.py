"""Problems from a set of the Hugging Face hub whose columns are named in the yaml."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.core import Problem, UserError
from harness.problems.jsonl import Row, assign_roles, check_counts, check_pattern, read
from harness.store.remote.hub import reachable
from harness.text.answers import same


@dataclass(frozen=True)
class Hub:
    """Rows of the hub's `dataset`, or of the file of JSON lines `path`, a copy of it.

    `question`, `answer` and `solution` (null: none) name the columns; only rows whose columns have
    the values of `where` are taken. `limit` problems are evaluated (null: all) and the `reference`
    last are references, in the order of the rows or shuffled by `seed`. `instruction`
    follows the question in the prompt; `pattern` finds an answer in no box, as its group 1.
    """

    name: str
    dataset: str
    split: str
    path: str | None
    question: str
    answer: str
    solution: str | None
    where: dict[str, Any]
    limit: int | None
    reference: int
    seed: int | None
    instruction: str
    pattern: str

    def __post_init__(self) -> None:
        check_counts(self.limit, self.reference)
        check_pattern(self.pattern)

    def load(self) -> list[Problem]:
        """All problems to evaluate, then the references; raises UserError naming what is wrong."""
        rows = hub(self.dataset, None, self.split) if self.path is None else read(self.path)
        kept = [(i, row) for i, row in enumerate(rows) if _has(row, self.where)]
        if not kept:
            raise UserError(f"problems.where: no row of {self.path or self.dataset} is like that")
        problems = [self._problem(index, row) for index, row in kept]
        return assign_roles(problems, self.limit, self.reference, self.seed)

    def correct(self, problem: Problem, answer: str) -> bool:
        """Whether a canonical answer equals the gold answer."""
        return same(answer, problem.answer)

    def _problem(self, index: int, row: Row) -> Problem:
        solved = self.solution is not None and row.has(self.solution)
        return Problem(
            id=f"{self.name}/{index}",
            question=row.text(self.question),
            answer=row.text(self.answer),
            solution=row.text(self.solution) if solved and self.solution else None,
            source=self.name,
            role="evaluate",
        )


def hub(dataset: str, subset: str | None, split: str) -> list[Row]:
    """The rows of a set of the hub; raises UserError if it cannot be had."""
    from datasets import config, load_dataset
    from huggingface_hub import constants

    there = reachable()
    if not there:  # what is in the cache is taken from there, and nothing is tried eleven times
        constants.HF_HUB_OFFLINE = config.HF_HUB_OFFLINE = True
    try:
        rows = load_dataset(dataset, subset, split=split)
    except (OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        if not there:
            reason = f"{constants.ENDPOINT} cannot be reached, and the cache does not have it"
        raise UserError(
            f"problems: cannot load {dataset} ({reason}); give a local copy, problems.path=FILE"
        ) from None
    return [Row(f"{dataset} {split} row {i}", dict(row)) for i, row in enumerate(rows)]


def _has(row: Row, values: Mapping[str, Any]) -> bool:
    return all(row.values.get(key) == value for key, value in values.items())
