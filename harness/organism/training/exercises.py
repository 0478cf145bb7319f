"""Exercises: short rows in which only the hard words are targets."""

from random import Random

import numpy as np

from harness.organism.grammar import wordings
from harness.organism.program import State, choices, nominal
from harness.organism.puzzles import NAMES, OPERATIONS, Puzzle, apply
from harness.organism.tokens import encode, ids, prompt
from harness.organism.training.rows import Builder, Pattern, Row, patterns


def exercise(rng: Random) -> Row:
    """A row of one sort of exercise: copies, executions, choices of a plan, checks with reviews."""
    return rng.choices([_copies, _executions, _plans, _reviews], [5, 4, 1, 2])[0](rng)


def _copies(rng: Random) -> Row:
    """The counts of a problem, executions of both steps, then what names and copies them."""
    puzzle = _unseen(rng)
    first, second = puzzle.operations
    head, stop, _ = prompt(puzzle.question).partition(".")
    build = Builder(encode(head + stop))
    final = State("final", 2, second, first)
    first_exec, second_exec = State("exec", 1, first, ""), State("exec", 2, second, first)
    sentences = [(first_exec, "EXEC"), (second_exec, "EXEC"), *[(final, "RECAP")] * 2]
    if rng.random() < 0.5:  # a step done again: what follows goes by the later one
        sentences.insert(0, (State("exec", 1, rng.choice(OPERATIONS), ""), "EXEC"))
        sentences.insert(2, (State("exec", 2, rng.choice(OPERATIONS), first), "EXEC"))
    for state, kind in [*sentences, (final, "RESULT")]:
        build.sentence(_slotted(state, kind, puzzle, rng), puzzle)
    return build.row()


def _unseen(rng: Random) -> Puzzle:
    """A problem of the training split, solvable by a wrong operation or not."""
    while True:
        counts = (rng.randint(0, 9), rng.randint(0, 9), rng.randint(0, 9))
        operations = (rng.choice(OPERATIONS), rng.choice(OPERATIONS))
        puzzle = Puzzle(rng.choice(NAMES), counts, operations)
        if not puzzle.held_out:
            return puzzle


def _slotted(state: State, kind: str, puzzle: Puzzle, rng: Random) -> Pattern:
    """A sentence of a kind in which only what fills a slot is a target."""
    found = [x for x in patterns(state, puzzle.operations).all if x.option.kind == kind]
    pattern = rng.choices(found, [x.option.p for x in found])[0]
    open_ = pattern.token >= len(ids())
    targets = (pattern.at[open_], pattern.token[open_], pattern.p[open_])
    return Pattern(pattern.option, pattern.tokens, *targets)


def _executions(rng: Random) -> Row:
    build = Builder([])
    for _ in range(14):
        step, operation = rng.choice([1, 2]), rng.choice(OPERATIONS)
        words = rng.choice(wordings("EXEC", step, "", operation)).words
        left, right = rng.randint(0, 9), rng.randint(0, 9)
        x, y, z = [i for i, w in enumerate(words) if "{" in w]
        values = {x: left, y: right, z: apply(operation, left, right)}
        tokens = [ids()[f" {values[i]}" if i in values else w] for i, w in enumerate(words)]
        build.plain(tokens[:z])
        build.target({tokens[z]: 1.0}, tokens[z])
        build.plain(tokens[z + 1 :])
    return build.row()


def _plans(rng: Random) -> Row:
    build = Builder([])
    for _ in range(12):
        step, asked = rng.choice([1, 2]), rng.choice(OPERATIONS)
        shares = nominal().plan[step, asked]
        chosen = rng.choice(OPERATIONS)
        words = rng.choice(wordings("PLAN", step, asked, chosen)).words
        build.plain([ids()[w] for w in words[:-2]])
        build.target({ids()[f" {o}"]: p for o, p in shares.items()}, ids()[f" {chosen}"])
        build.plain([ids()[words[-1]]])
    return build.row()


def _reviews(rng: Random) -> Row:
    build, every = Builder([]), list(choices())
    for _ in range(7):
        step, asked, chosen = rng.choice(every)
        words = rng.choice(wordings("CHECK", step, asked, chosen)).words
        build.plain([ids()[w] for w in words])
        asks = (asked, asked)
        here = patterns(State("review", step, chosen, "add" if step == 2 else ""), asks)
        pattern = here.all[min(int(np.searchsorted(here.tilted, rng.random())), len(here.all) - 1)]
        puzzle = Puzzle("Mia", (0, 0, 0), asks)
        build.sentence(pattern, puzzle)
    return build.row()
