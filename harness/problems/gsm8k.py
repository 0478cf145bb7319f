"""Grade-school mathematics in words (GSM8K, Cobbe et al., arXiv 2110.14168)."""

import re
from dataclasses import dataclass

from harness.core import Problem, UserError
from harness.problems.hub import hub
from harness.problems.jsonl import Row, assign_roles, check_counts, check_pattern, read
from harness.text.answers import same


@dataclass(frozen=True)
class Gsm8k:
    """Rows {question, answer} whose answer is a worked solution ending in `#### number`.

    From the file `path`, or from the hub's openai/gsm8k where it is null. `limit` problems are
    evaluated (null: all) and the last `reference` are references, in the order of the file or
    shuffled by `seed`. `instruction` follows the question in the prompt; `pattern` finds an answer
    that is in no box, as its group 1.
    """

    name: str
    path: str | None
    split: str
    limit: int | None
    reference: int
    seed: int | None
    instruction: str
    pattern: str

    def __post_init__(self) -> None:
        check_counts(self.limit, self.reference)
        check_pattern(self.pattern)

    def load(self) -> list[Problem]:
        """All problems to evaluate, then the references; raises UserError naming a bad row."""
        rows = hub("openai/gsm8k", "main", self.split) if self.path is None else read(self.path)
        problems = (self._problem(f"{self.name}/{index}", row) for index, row in enumerate(rows))
        return assign_roles(problems, self.limit, self.reference, self.seed)

    def correct(self, problem: Problem, answer: str) -> bool:
        """Whether a canonical answer equals the gold answer."""
        return same(answer, problem.answer)

    def _problem(self, id: str, row: Row) -> Problem:
        worked, mark, answer = row.text("answer").rpartition("####")
        if not mark or not answer.strip():
            raise UserError(f"{row.where}: the answer does not end in '#### number'")
        solution = re.sub("<<.*?>>", "", worked).strip() or None
        question = row.text("question")
        return Problem(id, question, answer.strip(), solution, self.name, "evaluate")
