"""Fitting: an intervention that learns is used on each fold by what it learnt on the others."""

from collections.abc import Mapping, Sequence

from harness.core import Evidence, Trace, UserError
from harness.interventions.validation.gathering import Asked, Gathering
from harness.interventions.validation.intervention import Intervention, Learning
from harness.run.folds import folds


def fitted(
    name: str,
    intervention: object,
    traces: Sequence[Trace],
    n_folds: int,
    gathering: Gathering,
) -> Mapping[str, tuple[int | None, Intervention]]:
    """By problem its fold and the copy that never saw it; no fold where nothing is learnt.

    Raises UserError where a fold has no other problems to learn from.
    """
    fold_of = folds([trace.problem.id for trace in traces], n_folds)
    if not isinstance(intervention, Learning):
        return {problem: (None, ready(name, intervention)) for problem in fold_of}
    copies: dict[int, object] = dict.fromkeys(sorted(set(fold_of.values())), intervention)
    seen = {fold: [t for t in traces if fold_of[t.problem.id] != fold] for fold in copies}
    if not all(seen.values()):
        raise UserError(
            f"{name}: all {len(fold_of)} problems are in one fold, so there is none to learn from; "
            "raise problems.limit"
        )
    while learning := {f: c for f, c in copies.items() if isinstance(c, Learning)}:
        found = _gathered(learning, seen, gathering)
        for fold, copy in learning.items():
            copies[fold] = copy.fit(seen[fold], found[fold])
    return {problem: (fold, ready(name, copies[fold])) for problem, fold in fold_of.items()}


def ready(name: str, made: object) -> Intervention:
    """What was prepared or fitted, if it is an intervention; raises TypeError if not."""
    if not isinstance(made, Intervention):
        raise TypeError(f"{name}: {type(made).__name__} has no rows and summary, and cannot learn")
    return made


def _gathered(
    copies: Mapping[int, Learning], seen: Mapping[int, Sequence[Trace]], gathering: Gathering
) -> dict[int, list[Evidence]]:
    """What each copy wants of the traces that it may see, gathered together.

    Copies that are alike share what they want of a trace.
    """
    places: dict[tuple[str, int], int] = {}
    asked: list[Asked] = []
    for fold, copy in copies.items():
        for trace in seen[fold]:
            if (trace.id, id(copy)) not in places:
                places[trace.id, id(copy)] = len(asked)
                asked.append((trace, copy))
    found = dict(gathering.of(asked))
    return {
        fold: [found[places[trace.id, id(copy)]] for trace in seen[fold]]
        for fold, copy in copies.items()
    }
