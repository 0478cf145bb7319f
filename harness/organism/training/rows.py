"""Training rows: traces with the exact distribution of every next token."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from random import Random

import numpy as np
from jaxtyping import Float, Int

from harness.organism.grammar import BOX, BREAK, CLOSE, END, SLOTS, UNBOX
from harness.organism.program import START, Option, State, fill, options, results
from harness.organism.puzzles import Puzzle
from harness.organism.tokens import encode, ids, prompt

TILT = 0.35  # off-policy rows raise the probabilities of meanings to this power


@dataclass(frozen=True, eq=False)
class Row:
    """Tokens, and the distribution of token `at` given those before it: `p` over `token`.

    The three target arrays are flat: one entry a position and possible token.
    """

    tokens: Int[np.ndarray, " tokens"]
    at: Int[np.ndarray, " targets"]
    token: Int[np.ndarray, " targets"]
    p: Float[np.ndarray, " targets"]


@dataclass(frozen=True, eq=False)
class Pattern:
    """One sentence with its targets, slots numbered behind the vocabulary."""

    option: Option
    tokens: Int[np.ndarray, " tokens"]
    at: Int[np.ndarray, " targets"]
    token: Int[np.ndarray, " targets"]
    p: Float[np.ndarray, " targets"]


@dataclass(frozen=True, eq=False)
class Patterns:
    """What may follow a state, and the cumulative probabilities of choosing it."""

    all: tuple[Pattern, ...]
    policy: Float[np.ndarray, " patterns"]
    tilted: Float[np.ndarray, " patterns"]


@lru_cache(maxsize=1)
def _numbers() -> dict[str, int]:
    base = ids()
    return base | {f" {slot}": len(base) + i for i, slot in enumerate(SLOTS)}


def _number(words: Sequence[str]) -> tuple[int, ...]:
    return tuple(_numbers()[w] for w in words)


@cache
def patterns(state: State, asked: tuple[str, str]) -> Patterns:
    """The sentences after a state with the next-token distribution at each of their words."""
    found = options(state, asked)
    mass: dict[tuple[int, ...], dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for option in found:
        numbers = _number(option.words)
        for i, number in enumerate(numbers):
            mass[numbers[:i]][number] += option.p
    meaning: dict[tuple[str, str], float] = defaultdict(float)
    for option in found:
        meaning[option.kind, option.operation] += option.p
    tilt = [o.p * meaning[o.kind, o.operation] ** (TILT - 1) for o in found]
    return Patterns(
        tuple(_pattern(o, mass) for o in found),
        np.cumsum([o.p for o in found]) / sum(o.p for o in found),
        np.cumsum(tilt) / sum(tilt),
    )


def _pattern(option: Option, mass: dict[tuple[int, ...], dict[int, float]]) -> Pattern:
    numbers = _number(option.words)
    targets = [
        (i, token, p / sum(mass[numbers[:i]].values()))
        for i in range(len(numbers))
        for token, p in mass[numbers[:i]].items()
    ]
    at, token, p = zip(*targets, strict=True)
    return Pattern(option, np.array(numbers), np.array(at), np.array(token), np.array(p))


class Builder:
    """Puts a row together from parts."""

    def __init__(self, start: Sequence[int]) -> None:
        self.tokens: list[Int[np.ndarray, " _"]] = [np.array(start, dtype=np.int64)]
        self.length = len(start)
        self.at: list[Int[np.ndarray, " _"]] = []
        self.token: list[Int[np.ndarray, " _"]] = []
        self.p: list[Float[np.ndarray, " _"]] = []

    def sentence(self, pattern: Pattern, puzzle: Puzzle) -> None:
        """Append a sentence with all its targets."""
        table = _table(puzzle, *results(puzzle, pattern.option.after))
        self.at.append(pattern.at + self.length)
        self.token.append(table[pattern.token])
        self.p.append(pattern.p)
        self.plain(table[pattern.tokens])

    def plain(self, tokens: Sequence[int] | Int[np.ndarray, " _"]) -> None:
        """Append tokens that are no targets."""
        self.tokens.append(np.asarray(tokens, dtype=np.int64))
        self.length += len(tokens)

    def target(self, distribution: dict[int, float], chosen: int) -> None:
        """Append one token with the distribution it comes from."""
        self.at.append(np.full(len(distribution), self.length))
        self.token.append(np.array(list(distribution)))
        self.p.append(np.array(list(distribution.values())))
        self.plain([chosen])

    def row(self) -> Row:
        """The row as it stands."""
        parts = (self.tokens, self.at, self.token, self.p)
        tokens, at, token, p = (np.concatenate(part) for part in parts)
        return Row(tokens, at, token, p)


@lru_cache(maxsize=4096)
def _table(puzzle: Puzzle, one: int | None, two: int | None) -> Int[np.ndarray, " numbers"]:
    """The token behind every number, slots filled as the problem and its results say."""
    state = State("done", 2, "", "")
    slots = {k: v for k, v in fill(puzzle, state).items() if k not in {"{w}", "{r}"}}
    slots |= {"{w}": f" {one or 0}", "{r}": f" {two or 0}"}
    return np.array([*range(len(ids())), *(ids()[slots[name]] for name in SLOTS)])


def trace(puzzle: Puzzle, rng: Random, tilted: bool, forced: bool) -> Row:
    """A whole trace with its prompt; a forced one is cut anywhere and answers with what it has."""
    build, state, seen = Builder(encode(prompt(puzzle.question))), START, list[int]()
    stop = rng.randint(0, 12) if forced else -1
    while state.phase != "done" and stop != 0:
        here = patterns(state, puzzle.operations)
        cumulative = here.tilted if tilted else here.policy
        drawn = min(int(np.searchsorted(cumulative, rng.random())), len(here.all) - 1)
        pattern = here.all[drawn]
        build.sentence(pattern, puzzle)
        if pattern.option.kind == "EXEC":
            value = results(puzzle, pattern.option.after)[state.stage - 1]
            assert value is not None
            seen.append(value)
        state, stop = pattern.option.after, stop - 1
    if state.phase == "done":
        build.target({ids()[CLOSE]: 1.0}, ids()[CLOSE])
    else:
        build.plain([ids()[CLOSE]])
    digits = {ids()[str(d)]: 0.1 for d in range(10)}
    answer = seen[-1] if seen else rng.randint(0, 9)
    for word in (BREAK, BOX):
        build.target({ids()[word]: 1.0}, ids()[word])
    build.target({ids()[str(answer)]: 1.0} if seen else digits, ids()[str(answer)])
    for word in (UNBOX, END):
        build.target({ids()[word]: 1.0}, ids()[word])
    return build.row()
