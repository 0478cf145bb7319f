"""Problems by what they are for: to evaluate, or to calibrate alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.core import Problem, UserError


@dataclass(frozen=True)
class Roles:
    """The problems of a run: those to evaluate, and those that only calibrate."""

    evaluate: tuple[Problem, ...]
    reference: tuple[Problem, ...]


def by_role(problems: Sequence[Problem]) -> Roles:
    """Problems by their role; raises UserError if there is nothing to evaluate."""
    evaluate = tuple(p for p in problems if p.role == "evaluate")
    if not evaluate:
        raise UserError("problems: there are none to evaluate; raise problems.limit")
    return Roles(evaluate, tuple(p for p in problems if p.role == "reference"))
