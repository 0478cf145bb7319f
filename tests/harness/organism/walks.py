"""Traces of the program itself, drawn sentence by sentence."""

from random import Random

from harness.organism.parser import parse
from harness.organism.program import START, Option, State, options, results, write
from harness.organism.puzzles import Puzzle, puzzles_of_split, with_random_name
from harness.organism.tokens import encode, ids, prompt
from harness.organism.training.sampling import Sample

PUZZLE = Puzzle("Mia", (4, 7, 3), ("add", "multiply"))


def puzzles(count: int, seed: int) -> list[Puzzle]:
    rng, pool = Random(seed), list(puzzles_of_split(held_out=False))
    return [with_random_name(rng.choice(pool), rng) for _ in range(count)]


def walk(puzzle: Puzzle, rng: Random, state: State = START) -> tuple[list[Option], State]:
    walked = []
    while state.phase != "done":
        found = options(state, puzzle.operations)
        walked.append(rng.choices(found, [o.p for o in found])[0])
        state = walked[-1].after
    return walked, state


def text(puzzle: Puzzle, walked: list[Option]) -> str:
    answer = results(puzzle, walked[-1].after)[1]
    return "".join(write(o, puzzle) for o in walked) + f"</think>\n\n\\boxed{{{answer}}}"


def samples(count: int) -> list[Sample]:
    """Whole traces of the program, as if a model had written them."""
    rng, found = Random(7), []
    for puzzle in puzzles(count, 8):
        written = text(puzzle, walk(puzzle, rng)[0])
        start = encode(prompt(puzzle.question))
        tokens = (*start, *encode(written), ids()["<|end|>"])
        found.append(Sample(puzzle, len(start), tokens, written, parse(puzzle, written)))
    return found
