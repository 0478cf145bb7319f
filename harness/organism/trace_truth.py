"""The truth about a trace of a run: what each sentence is and what it does to the answer."""

from dataclasses import asdict

import numpy as np

from harness.core import Problem, Trace
from harness.core.truth import Truth
from harness.organism.parser import parse
from harness.organism.program import Decisions
from harness.organism.puzzles import read
from harness.organism.truth import edges, importances

PLANTED = ("PLAN", "BACK")


def trace_truth(trace: Trace, decisions: Decisions, behind: Problem | None = None) -> Truth | str:
    """The truth about a trace, or why there is none; with `behind` if it stood behind that problem.

    `decisions` are those of the checkpoint that wrote it, measured at the temperature it wrote at.
    """
    puzzle = read(trace.problem.question)
    if puzzle is None:
        return "no question of the organism's"
    steps = parse(puzzle, trace.text)
    if steps is None:
        return "refused by the strict parser"
    if [s.text for s in steps] != [s.text for s in trace.sentences]:
        return "cut into other sentences"
    asked = puzzle if behind is None else read(behind.question)
    if asked is None:
        return "no question of the organism's"
    kinds = tuple(s.option.kind for s in steps)
    return Truth(
        kinds=kinds,
        planted=np.isin(kinds, PLANTED),
        exact=asdict(importances(asked, steps, decisions)),
        edges=edges(steps),
    )
