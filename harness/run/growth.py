"""The problems of a run: those that it has, and new ones where more are asked for."""

import sys
from collections.abc import Sequence
from pathlib import Path

from harness.core import Problem
from harness.problems.roles import Roles, by_role
from harness.store import schema
from harness.store.files import write_frame
from harness.store.leases import lock
from harness.store.reading import damaged, read_frame, read_json
from harness.store.traces import COMPLETE, problem_frame

FILE = "problems.parquet"


def stored(run: Path) -> list[Problem]:
    """The problems that a run has, none where there is no run or they are to be made again."""
    path = run / FILE
    if not path.exists() or damaged(path):
        return []
    rows = read_frame(path, schema.PROBLEMS).select(*schema.PROBLEMS).iter_rows(named=True)
    return [Problem(id=row.pop("problem_id"), **row) for row in rows]


def of_run(run: Path, asked: Sequence[Problem]) -> Roles:
    """What a run has and what it lacks of the problems asked for; writes nothing.

    References stay those that the run began with, and none of them is evaluated.
    """
    there = stored(run)
    if not there:
        return by_role(asked)
    known = {problem.id for problem in there}
    most = sum(problem.role == "evaluate" for problem in asked)
    old = sum(problem.role == "evaluate" for problem in there)
    new = [p for p in asked if p.role == "evaluate" and p.id not in known]
    return by_role([*there, *new[: max(0, most - old)]])


def grown(run: Path, asked: Sequence[Problem]) -> Roles:
    """The same, kept in the run; says where it keeps more or can have fewer than is asked for."""
    with lock(run, "problems"):
        roles = of_run(run, asked)
        whole = [*roles.evaluate, *roles.reference]
        if len(stored(run)) < len(whole):
            write_frame(run / FILE, problem_frame(whole))
    most, n = sum(problem.role == "evaluate" for problem in asked), len(roles.evaluate)
    if n > most:
        print(f"problems.limit: {most} asked for; the run keeps the {n} it has", file=sys.stderr)
    elif n < most:
        print(
            f"problems.limit: {most} asked for and {n} used; the others are references of the run",
            file=sys.stderr,
        )
    return roles


def untraced(run: Path, problems: Sequence[Problem]) -> list[Problem]:
    """The problems that have no trace yet and were not skipped."""
    path = run / COMPLETE
    if not path.exists() or damaged(path):
        return [*problems]
    done = set(read_frame(path, {"problem_id": schema.TRACES["problem_id"]})["problem_id"])
    done |= set(read_json(run / "skipped.json"))
    return [problem for problem in problems if problem.id not in done]
