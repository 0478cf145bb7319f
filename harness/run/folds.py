"""Calibration: a detector that learns scores each problem by what it learnt on other folds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.core import Detector, Evidence, Fittable, HasFacts, Trace, UserError
from harness.core.seeds import derive


@dataclass(frozen=True)
class Calibration:
    """Detectors that learn are fitted on the problems of all folds but that of the trace."""

    folds: int

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise UserError(f"calibration.folds: must be at least 2, got {self.folds}")


def folds(problems: Iterable[str], n: int) -> dict[str, int]:
    """The fold of each problem, by a hash of its id: more problems move none to another fold.

    Of few problems a fold may be empty.
    """
    return {name: derive("calibration fold", name) % n for name in sorted(set(problems))}


@dataclass(frozen=True, eq=False)
class Learner:
    """A detector that learns, and the evidence it wants, kept until that of all traces is there."""

    detector: Fittable
    kept: dict[str, tuple[Trace, Evidence]] = field(default_factory=dict)

    def keep(self, trace: Trace, evidence: Evidence) -> None:
        """Take what it wants of a trace."""
        self.kept[trace.id] = (trace, evidence)

    def fitted(self, fold_of: Mapping[str, int]) -> dict[int, Detector]:
        """A copy for each fold that never saw the traces of its problems."""
        copies: dict[int, Detector] = {}
        for fold in sorted(set(fold_of.values())):
            others = [k for k in self.kept.values() if fold_of[k[0].problem.id] != fold]
            if not others:
                raise UserError(
                    f"calibration.folds: all {len(fold_of)} problems are in one fold, so there is "
                    "none to learn from; raise problems.limit"
                )
            traces, evidence = [t for t, _ in others], [e for _, e in others]
            copies[fold] = self.detector.fit(traces, evidence)
        return copies


def facts(copies: Mapping[int, Detector]) -> list[Mapping[str, Any]]:
    """What the fitted copies say of themselves, fold by fold; empty if they say nothing."""
    return [copy.facts for copy in copies.values() if isinstance(copy, HasFacts)]
