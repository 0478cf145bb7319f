"""From a text back to the program's states: whatever the program cannot write is refused."""

import re
from dataclasses import dataclass

from harness.organism.grammar import BOX, BREAK, CLOSE, UNBOX
from harness.organism.program import START, Option, State, options, results, write
from harness.organism.puzzles import Puzzle

ENDING = re.compile(re.escape(CLOSE + BREAK + BOX) + r"(\d)" + re.escape(UNBOX))
_SENTENCE = re.compile(r"[^.]*\.")


@dataclass(frozen=True)
class ParsedSentence:
    """A sentence of a trace as the program sees it: the state before it, and what it is."""

    before: State
    option: Option
    text: str


def parse(puzzle: Puzzle, text: str) -> tuple[ParsedSentence, ...] | None:
    """The sentences of a whole trace; None if the program could not have written it.

    Names, fruits, digits, operations and the final answer are all checked.
    """
    body, mark, ending = text.partition(CLOSE)
    answer = ENDING.fullmatch(mark + ending)
    steps = sentences(puzzle, body)
    if answer is None or not steps or steps[-1].option.after.phase != "done":
        return None
    return steps if int(answer[1]) == results(puzzle, steps[-1].option.after)[1] else None


def sentences(puzzle: Puzzle, body: str) -> tuple[ParsedSentence, ...] | None:
    """The sentences of a text that may stop after any of them; None if one cannot stand there."""
    state, steps, at = START, list[ParsedSentence](), 0
    for match in _SENTENCE.finditer(body):
        found = allowed(puzzle, state).get(match.group())
        if found is None or match.start() != at:
            return None
        steps.append(ParsedSentence(state, found, match.group()))
        state, at = found.after, match.end()
    return tuple(steps) if at == len(body) else None


def allowed(puzzle: Puzzle, state: State) -> dict[str, Option]:
    """Every sentence that may follow a state, by its text."""
    return {write(option, puzzle): option for option in options(state, puzzle.operations)}
