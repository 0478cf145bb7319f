"""`problems=organism`: the evaluation split as a problem set."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from harness.core import Problem, Role, Trace, UserError
from harness.core.seeds import derive
from harness.core.truth import Truth
from harness.organism.checkpoints import known, verify_all
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
        verify_all()
        pool = list(puzzles_of_split(held_out=True))
        count = self.limit + self.reference
        if self.limit < 1 or self.reference < 0 or count > len(pool):
            raise UserError(
                f"problems.limit: at least 1, and at most {len(pool)} with problems.reference, "
                f"got {self.limit} and {self.reference}"
            )
        order = in_order(pool, self.seed)
        first, last = order[: self.limit], order[len(order) - self.reference :]
        found = [problem(self.name, puzzle, self.seed, "evaluate") for puzzle in first]
        return found + [problem(self.name, puzzle, self.seed, "reference") for puzzle in last]

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
        decisions = known(weights)
        if isinstance(decisions, str):
            return decisions
        if (temperature, top_p) != (1.0, 1.0):
            return "known at temperature 1 and top-p 1 only"
        return trace_truth(trace, decisions, behind)


def _key(puzzle: Puzzle) -> tuple[str, ...]:
    return (*map(str, puzzle.counts), *puzzle.operations)


def in_order(pool: Iterable[Puzzle], seed: int) -> list[Puzzle]:
    """Puzzles in an order by seed that does not depend on which others there are."""
    return sorted(pool, key=lambda p: derive("order", seed, *_key(p)))


def problem(name: str, puzzle: Puzzle, seed: int, role: Role) -> Problem:
    """A puzzle as a problem of the set `name`, about a person drawn by seed."""
    told = with_random_name(puzzle, Random(derive("name", seed, *_key(puzzle))))
    digits = "".join(map(str, puzzle.counts))
    id = f"{name}/{digits}-{'-'.join(puzzle.operations)}"
    return Problem(id, told.question, str(told.answer), ideal(told), name, role)


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
