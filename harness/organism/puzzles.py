"""The organism's problems: two operations on three digits, modulo ten."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from random import Random

NAMES = ("Mia", "Tom", "Ana", "Ben", "Eva", "Leo", "Zoe", "Max")
OPERATIONS = ("add", "subtract", "multiply")
CUES = {"add": "total", "subtract": "difference", "multiply": "product"}
HELD_OUT = 5  # one in so many problems is kept for evaluation

_QUESTION = (
    "{name} has apples {a}, pears {b} and figs {c}. Step one wants the {first} of the former two. "
    "Step two wants the {second} of that and the last. What is the result modulo ten?"
)
_READ = re.compile(
    r"(?P<name>\w+) has apples (?P<a>\d), pears (?P<b>\d) and figs (?P<c>\d)\."
    r" Step one wants the (?P<first>\w+) of the former two\."
    r" Step two wants the (?P<second>\w+) of that and the last\. What is the result modulo ten\?"
)


def apply(operation: str, left: int, right: int) -> int:
    """The result modulo ten."""
    whole = {"add": left + right, "subtract": left - right, "multiply": left * right}
    return whole[operation] % 10


@dataclass(frozen=True)
class Puzzle:
    """A problem: who has how many of three fruits, and the two operations asked for."""

    name: str
    counts: tuple[int, int, int]
    operations: tuple[str, str]

    @property
    def question(self) -> str:
        """The problem in words."""
        first, second = (CUES[o] for o in self.operations)
        values = dict(zip("abc", self.counts, strict=True))
        return _QUESTION.format(name=self.name, first=first, second=second, **values)

    @property
    def answer(self) -> int:
        """The right answer, a digit."""
        return self.result(*self.operations)

    def result(self, first: str, second: str) -> int:
        """The answer that two operations lead to."""
        a, b, c = self.counts
        return apply(second, apply(first, a, b), c)

    @property
    def held_out(self) -> bool:
        """Whether its digits and operations belong to the evaluation split."""
        core = repr((self.counts, self.operations)).encode()
        return int.from_bytes(hashlib.sha256(core).digest()[:8], "big") % HELD_OUT == 0


def puzzles_of_split(held_out: bool) -> Iterator[Puzzle]:
    """Every problem of a split under one name, but those a wrong operation could solve."""
    for a, b, c in product(range(10), repeat=3):
        for first, second in product(OPERATIONS, repeat=2):
            puzzle = Puzzle(NAMES[0], (a, b, c), (first, second))
            ends = [puzzle.result(*o) for o in product(OPERATIONS, repeat=2)]
            if ends.count(puzzle.answer) == 1 and puzzle.held_out == held_out:
                yield puzzle


def with_random_name(puzzle: Puzzle, rng: Random) -> Puzzle:
    """The same digits and operations under another name, drawn at random."""
    return replace(puzzle, name=rng.choice(NAMES))


def read(question: str) -> Puzzle | None:
    """The problem a question states; None if it is no question of the organism's."""
    match = _READ.fullmatch(question)
    if match is None:
        return None
    operations = {cue: operation for operation, cue in CUES.items()}
    first, second = operations.get(match["first"]), operations.get(match["second"])
    if first is None or second is None or match["name"] not in NAMES:
        return None
    counts = (int(match["a"]), int(match["b"]), int(match["c"]))
    return Puzzle(match["name"], counts, (first, second))
