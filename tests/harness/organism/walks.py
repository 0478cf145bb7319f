"""Traces of the program itself, drawn sentence by sentence."""

from random import Random

from harness.organism.program import START, Option, State, options, results, write
from harness.organism.puzzles import Puzzle, cores, dress

PUZZLE = Puzzle("Mia", (4, 7, 3), ("add", "multiply"))


def puzzles(count: int, seed: int) -> list[Puzzle]:
    rng, pool = Random(seed), list(cores(held_out=False))
    return [dress(rng.choice(pool), rng) for _ in range(count)]


def walk(puzzle: Puzzle, rng: Random, state: State = START) -> tuple[list[Option], State]:
    told = []
    while state.phase != "done":
        found = options(state, puzzle.operations)
        told.append(rng.choices(found, [o.p for o in found])[0])
        state = told[-1].after
    return told, state


def text(puzzle: Puzzle, told: list[Option]) -> str:
    answer = results(puzzle, told[-1].after)[1]
    return "".join(write(o, puzzle) for o in told) + f"</think>\n\n\\boxed{{{answer}}}"
