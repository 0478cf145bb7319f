"""The exact answer distribution behind every state, and what each sentence does to it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from harness.organism.parser import ParsedSentence
from harness.organism.program import Decisions, State, onward, results
from harness.organism.puzzles import Puzzle

Answers = Float[np.ndarray, " 10"]


@dataclass(frozen=True, eq=False)
class Importances:
    """What each sentence does to the distribution of the final answer, one entry a sentence.

    `tv` and `kl` (nats; after against before) compare the states around the sentence; `accuracy` is
    the signed change of the probability of a right answer; `counterfactual` is the total variation
    between the state after the sentence and the mean over sentences of another meaning in its
    place, NaN where there is none.
    """

    tv: Float[np.ndarray, " sentences"]
    kl: Float[np.ndarray, " sentences"]
    accuracy: Float[np.ndarray, " sentences"]
    counterfactual: Float[np.ndarray, " sentences"]


Edge = tuple[int, int, str]  # sentence, the later one that rests on it, how


def answers(puzzle: Puzzle, state: State, decisions: Decisions) -> Answers:
    """P(final answer | state) over the ten digits; decoys, being loops, leave it alone."""
    if state.phase in {"final", "done"}:
        return np.eye(10)[results(puzzle, state)[1]]
    return sum(
        (
            p * answers(puzzle, after, decisions)
            for after, p in successors(puzzle, state, decisions)
        ),
        np.zeros(10),
    )


def successors(puzzle: Puzzle, state: State, decisions: Decisions) -> Iterator[tuple[State, float]]:
    """The states that may come next once no decoy does, with their probabilities."""
    asked = puzzle.operations[state.stage - 1]
    choice = (state.stage, asked, state.operation)
    match state.phase:
        case "plan":
            for operation, p in decisions.plan[state.stage, asked].items():
                yield replace(state, phase="exec", operation=operation), p
        case "review":
            back = decisions.back[choice]
            yield onward(state), 1 - back
            for operation, p in decisions.redo[choice].items():
                yield replace(state, phase="redo", operation=operation), back * p
        case _:
            yield onward(state), 1.0


def probability(puzzle: Puzzle, step: ParsedSentence, decisions: Decisions) -> float:
    """P(a sentence of this meaning | state before it), a decoy's meaning being any decoy."""
    before, after = step.before, step.option.after
    loop = decisions.loop.get((before.phase, before.stage), 0.0)
    if after == before:
        return loop
    return (1 - loop) * dict(successors(puzzle, before, decisions))[after]


def importances(
    puzzle: Puzzle, steps: Sequence[ParsedSentence], decisions: Decisions
) -> Importances:
    """The exact importances of a trace's sentences under the given decision probabilities."""
    before = [answers(puzzle, s.before, decisions) for s in steps]
    after = [answers(puzzle, s.option.after, decisions) for s in steps]
    share = [probability(puzzle, s, decisions) for s in steps]
    return Importances(
        tv=np.array([_tv(p, q) for p, q in zip(before, after, strict=True)]),
        kl=np.array([_kl(q, p) for p, q in zip(before, after, strict=True)]),
        accuracy=np.array(
            [q[puzzle.answer] - p[puzzle.answer] for p, q in zip(before, after, strict=True)]
        ),
        counterfactual=np.array(
            [_tv(_without(p, q, s), q) for p, q, s in zip(before, after, share, strict=True)]
        ),
    )


def _tv(p: Answers, q: Answers) -> float:
    return float(np.abs(p - q).sum() / 2)


def _kl(p: Answers, q: Answers) -> float:
    on = p > 0
    return float((p[on] * np.log(p[on] / q[on])).sum())


def _without(before: Answers, after: Answers, share: float) -> Answers:
    """The mean over other sentences: `before` less this sentence's part; NaN if it is certain."""
    if share > 1 - 1e-12:
        return np.full(10, np.nan)
    return (before - share * after) / (1 - share)


def edges(steps: Sequence[ParsedSentence]) -> tuple[Edge, ...]:
    """What rests on what: operations, their executions, the result, and recaps on their source.

    Checks rest on the plan they restate and reviews on the check.
    """
    found, named, executed, checked = list[Edge](), 0, dict[int, int](), 0
    for i, step in enumerate(steps):
        stage, kind = step.before.stage, step.option.kind
        if kind in {"EXEC", "CHECK"}:
            found.append((named, i, "operation"))
        if kind == "EXEC" and stage == 2:
            found.append((executed[1], i, "operand"))
        if kind in {"KEEP", "BACK"}:
            found.append((checked, i, "review"))
        if kind == "RESULT":
            found.append((executed[2], i, "result"))
        if kind == "RECAP":
            found.append((executed[1 if step.option.operation == "one" else 2], i, "recap"))
        named = i if kind in {"PLAN", "BACK"} else named
        checked = i if kind == "CHECK" else checked
        executed |= {stage: i} if kind == "EXEC" else {}
    return tuple(found)
