"""`problems=organism`: the evaluation split as a problem set."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

from harness.core import Problem, Role, Trace, UserError
from harness.core.seeds import derive
from harness.core.truth import Truth
from harness.organism.checkpoints import decisions, name_of_weights, verify
from harness.organism.program import START, Option, State, options, write
from harness.organism.puzzles import Puzzle, puzzles_of_split, with_random_name
from harness.organism.trace_truth import trace_truth
from harness.problems.jsonl import check_pattern
from harness.text.answers import same


@dataclass(frozen=True)
class Organism:
    """Problems that the checkpoints were not trained on, solved by the program's ideal trace.

    `seed` orders them: the first `limit` are evaluated, the last `reference` are references, and
    what a problem says depends on `seed` and its digits and operations alone.
    """

    name: str
    limit: int
    reference: int
    seed: int
    instruction: str
    pattern: str

    def __post_init__(self) -> None:
        check_pattern(self.pattern)

    def load(self) -> list[Problem]:
        """All problems to evaluate, then the references; raises UserError if there are too few."""
        verify()
        pool = list(puzzles_of_split(held_out=True))
        count = self.limit + self.reference
        if self.limit < 1 or self.reference < 0 or count > len(pool):
            raise UserError(
                f"problems.limit: at least 1, and at most {len(pool)} with problems.reference, "
                f"got {self.limit} and {self.reference}"
            )
        order = sorted(pool, key=lambda p: derive("order", self.seed, *_key(p)))
        first, last = order[: self.limit], order[len(order) - self.reference :]
        found = [_problem(self.name, self._named(puzzle), "evaluate") for puzzle in first]
        return found + [_problem(self.name, self._named(puzzle), "reference") for puzzle in last]

    def _named(self, puzzle: Puzzle) -> Puzzle:
        return with_random_name(puzzle, Random(derive("name", self.seed, *_key(puzzle))))

    def correct(self, problem: Problem, answer: str) -> bool:
        """Whether a canonical answer equals the gold answer."""
        return same(answer, problem.answer)

    def truth(
        self,
        trace: Trace,
        weights: Path,
        temperature: float,
        top_p: float,
        behind: Problem | None = None,
    ) -> Truth | str:
        """The exact importances of a trace's sentences, or why they are not known."""
        name = name_of_weights(weights)
        if name is None:
            return "not written by a checkpoint of the organism"
        if (temperature, top_p) != (1.0, 1.0):
            return "known at temperature 1 and top-p 1 only"
        return trace_truth(trace, decisions(name), behind)


def _key(puzzle: Puzzle) -> tuple[str, ...]:
    return (*map(str, puzzle.counts), *puzzle.operations)


def _problem(name: str, puzzle: Puzzle, role: Role) -> Problem:
    digits = "".join(map(str, puzzle.counts))
    id = f"{name}/{digits}-{'-'.join(puzzle.operations)}"
    return Problem(id, puzzle.question, str(puzzle.answer), ideal(puzzle), name, role)


def ideal(puzzle: Puzzle) -> str:
    """The trace of right plans without decoys, in the first wording of everything."""
    state, sentences = START, list[str]()
    while state.phase != "done":
        option = _best(puzzle, state)
        sentences.append(write(option, puzzle))
        state = option.after
    return "".join(sentences)


def _best(puzzle: Puzzle, state: State) -> Option:
    """The first wording of the right move."""
    asked = puzzle.operations[state.stage - 1]
    wanted = {"plan": "PLAN", "review": "KEEP"}.get(state.phase)
    return next(
        option
        for option in options(state, puzzle.operations)
        if option.after != state
        and wanted in {None, option.kind}
        and option.operation in {"", asked}
    )
