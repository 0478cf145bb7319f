"""Problems made by procedure (reasoning-gym, arXiv 2505.24760)."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

from harness.core import NO_ANSWER, Problem, UserError
from harness.problems.jsonl import as_reference, check_counts, check_pattern
from harness.text.answers import same, value

REFERENCES = 1_000_003  # added to the seed, so that no limit makes a reference a problem


@dataclass(frozen=True)
class ReasoningGym:
    """Any dataset of reasoning-gym, generated from `seed`, with its own scorer.

    `options` are the dataset's own, but for its seed and size. The first `limit` problems are
    evaluated; `reference` more are generated from a seed of their own. `instruction` follows the
    question in the prompt; `pattern` finds an answer that is in no box, as its group 1.
    """

    name: str
    dataset: str
    options: dict[str, Any]
    limit: int
    reference: int
    seed: int
    instruction: str
    pattern: str

    def __post_init__(self) -> None:
        check_counts(self.limit, self.reference)
        check_pattern(self.pattern)

    def load(self) -> list[Problem]:
        """All problems to evaluate, then the references.

        Raises UserError if the dataset is unknown, refuses its options or has no gold answers.
        """
        problems = [self._problem(index, self._entries[index], "") for index in range(self.limit)]
        others = self._create(self.seed + REFERENCES, self.reference)
        made = [self._problem(i, others[i], "reference-") for i in range(self.reference)]
        return problems + as_reference(made)

    def correct(self, problem: Problem, answer: str) -> bool:
        """Whether a canonical answer is the gold answer or gets the full score."""
        if answer == NO_ANSWER:
            return False
        if same(answer, problem.answer):
            return True
        entry = self._entries[int(problem.id.rpartition("/")[2])]
        return not _misread(answer, problem.answer) and abs(self._score(answer, entry) - 1) < 1e-6

    def _problem(self, index: int, entry: Mapping[str, Any], prefix: str) -> Problem:
        if not isinstance(entry["answer"], str):
            raise UserError(f"problems.dataset: {self.dataset} has no gold answers; choose another")
        source = f"{self.name}/{self.dataset}"
        solution = entry["metadata"].get("answer_cot")
        question, answer = entry["question"], entry["answer"]
        return Problem(f"{source}/{prefix}{index}", question, answer, solution, source, "evaluate")

    @cached_property
    def _generated(self) -> Any:
        return self._create(self.seed, self.limit)

    def _create(self, seed: int, size: int) -> Any:
        names, create = _package()
        if self.dataset not in names:
            close = get_close_matches(self.dataset, names, n=3, cutoff=0.4)
            hint = f"did you mean {', '.join(close)}?" if close else "see reasoning_gym's gallery"
            raise UserError(f"problems.dataset: no {self.dataset!r} in reasoning-gym; {hint}")
        if reserved := sorted({"seed", "size"} & set(self.options)):
            raise UserError(
                f"problems.options.{reserved[0]}: give problems.seed and problems.limit"
            )
        try:
            return create(self.dataset, seed=seed, size=max(1, size), **self.options)
        except (TypeError, AssertionError, ValueError) as error:
            raise UserError(f"problems.options: {self.dataset} refuses them ({error})") from None

    @cached_property
    def _entries(self) -> list[dict[str, Any]]:
        return [self._generated[index] for index in range(self.limit)]

    def _score(self, answer: str, entry: dict[str, Any]) -> float:
        """0 where the scorer cannot read the answer: some raise on text they did not expect."""
        try:
            return float(self._generated.score_answer(answer, entry))
        except (ArithmeticError, AttributeError, LookupError, SyntaxError, TypeError, ValueError):
            return 0.0


def _misread(answer: str, gold: str) -> bool:
    """Numbers too far apart to be a scorer's tolerance: some search the text, and find 5 in -5."""
    given, right = value(answer), value(gold)
    if given is None or right is None:
        return False
    return abs(given - right) > abs(right) / 100


def _package() -> tuple[list[str], Any]:
    try:
        from reasoning_gym.factory import DATASETS, create_dataset
    except ImportError as error:
        raise UserError(
            f"problems: reasoning-gym does not import ({error}); pip install reasoning-gym, "
            "which needs gcc and the Python headers"
        ) from None
    return list(DATASETS), create_dataset
