"""`problems=mimic`: the organism's problems of one answer, which the world `mimic` always gives."""

from dataclasses import dataclass

from harness.core import Problem, UserError
from harness.organism.checkpoints import verify_all
from harness.organism.problems import in_order, problem
from harness.organism.puzzles import puzzles_of_split
from harness.problems.jsonl import check_pattern
from harness.text.answers import same


@dataclass(frozen=True)
class Mimic:
    """Problems of the evaluation split whose answer is `digit`, then `others` that have another.

    The traces of the others may stand where those of the first stood; the references, too, have
    other answers. No truth comes with them: no sentence moves an answer that is always the same.
    """

    name: str
    digit: int
    limit: int
    others: int
    reference: int
    seed: int
    instruction: str
    pattern: str

    def __post_init__(self) -> None:
        check_pattern(self.pattern)

    def load(self) -> list[Problem]:
        """All problems to evaluate, then the references; raises UserError if there are too few."""
        verify_all()
        order = in_order(puzzles_of_split(held_out=True), self.seed)
        pool = [p for p in order if p.answer == self.digit]
        others = [p for p in order if p.answer != self.digit]
        if not 1 <= self.limit <= len(pool):
            raise UserError(
                f"problems.limit: from 1 to {len(pool)}, for so many have the answer {self.digit}, "
                f"got {self.limit}"
            )
        for key, asked in (("others", self.others), ("reference", self.reference)):
            if not 0 <= asked <= len(others) // 2:
                raise UserError(f"problems.{key}: from 0 to {len(others) // 2}, got {asked}")
        evaluated = [*pool[: self.limit], *others[: self.others]]
        found = [problem(self.name, p, self.seed, "evaluate") for p in evaluated]
        last = others[len(others) - self.reference :]
        return found + [problem(self.name, p, self.seed, "reference") for p in last]

    def correct(self, problem: Problem, answer: str) -> bool:
        """Whether a canonical answer equals the gold answer."""
        return same(answer, problem.answer)
