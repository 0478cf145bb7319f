"""Before a run: whether all that its detectors read of a model is computed right."""

from collections.abc import Iterator, Mapping
from typing import Any

from harness.cli.settings import Settings
from harness.core import (
    Attend,
    Compare,
    Condition,
    Depart,
    Evidence,
    Gradient,
    Lens,
    Likelihood,
    Reach,
    Read,
    ReadRollouts,
    ReadText,
    Suppress,
    UserError,
    Want,
)
from harness.engines.hf.preflight import faults
from harness.evidence.example import REFERENCES, wanted
from harness.models.model import Subject


def check_architecture(job: Settings, who: Subject) -> None:
    """Raise UserError for detectors that read what a model of this architecture gives wrongly.

    What draws rollouts asks the engine, once it samples. The line names the detectors that run.
    """
    have = Evidence(job.run.sampling.draws, job.run.model.force, REFERENCES)
    wants = {name: wanted(detector, have) for name, detector in job.run.detectors.items()}
    needed = {name: _paths(some) for name, some in wants.items()}
    wrong: dict[str, str] = {}
    for checkpoint in sorted({c for some in needed.values() for c in some}):
        paths = set[str]().union(*(some.get(checkpoint, ()) for some in needed.values()))
        config = who.checkpoint(checkpoint).config
        found = faults(config, sorted(paths))
        for name, some in needed.items():
            for path in sorted(some.get(checkpoint, set()) & set(found)):
                wrong.setdefault(name, f"{path} of a {config.model_type} model: {found[path]}")
    if wrong:
        raise UserError(_said(wrong, [name for name in needed if name not in wrong]))


def _said(wrong: Mapping[str, str], right: list[str]) -> str:
    name, why = next(iter(wrong.items()))
    others = f", nor {', '.join(n for n in wrong if n != name)}" if len(wrong) > 1 else ""
    runs = f"what runs is method=[{','.join(right)}]" if right else "no other method was asked for"
    return f"method.{name}: cannot be computed right{others} ({why}); {runs}"


def _paths(wants: list[Want[Any]]) -> Mapping[str, set[str]]:
    """The paths through each checkpoint that the evidence takes."""
    found: dict[str, set[str]] = {}
    for want in wants:
        for checkpoint, path in _taken(want):
            found.setdefault(checkpoint, set()).add(path)
    return found


def _taken(want: Want[Any]) -> Iterator[tuple[str, str]]:
    match want:
        case Read(condition=condition):
            yield from _read(condition)
        case Compare(of=of, to=to):
            yield from _read(of)
            yield from _read(to)
        case ReadText() | Depart():
            yield "", "readings"
        case Attend(checkpoint=checkpoint) | Reach(checkpoint=checkpoint):
            yield checkpoint, "attention"
        case Lens(checkpoint=checkpoint) | Gradient(checkpoint=checkpoint):
            yield checkpoint, "readings"
        case Suppress(checkpoint=checkpoint):
            yield checkpoint, "suppression"
        case Likelihood(condition=condition) | ReadRollouts(condition=condition):
            yield condition.checkpoint, "likelihood"
            if condition.edits or condition.under:
                yield condition.checkpoint, "suppression"
        case _:
            return


def _read(condition: Condition) -> Iterator[tuple[str, str]]:
    changed = bool(condition.edits or condition.under)
    yield condition.checkpoint, "suppression" if changed else "readings"
