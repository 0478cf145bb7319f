"""Swap invariance: does a detector see more of a sentence than its form?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from pydantic import Field
from scipy.stats import kendalltau

from harness.agreement import Agreement
from harness.core import (
    Detector,
    Draw,
    Evidence,
    Fittable,
    Problem,
    Trace,
    UserError,
    Want,
)
from harness.core.truth import NAME, Truth
from harness.evidence.example import REFERENCES, wanted
from harness.evidence.gather import wants
from harness.evidence.wants import checkpoints
from harness.interventions.validation.effects import by_problem, difference, mean, summary_frame
from harness.interventions.validation.intervention import About, Variant
from harness.text.operations import other_operation

WRONG = "wrong"  # the variant: the trace's own tokens behind the wrong problem
MEASURE, LESS = "tau-b", "tau-b − the truth's"
ROWS: Mapping[str, Any] = {
    "part": pl.String,
    "measure": pl.String,
    "method": pl.String,
    "value": pl.Float64,
    "sentences": pl.Int32,  # with a score in both
}


@dataclass(frozen=True)
class Swap:
    """Kendall's tau-b of a detector's scores of the same sentences behind a wrong problem.

    Every detector that reads the model alone takes part. The wrong problem is the trace's own with
    each operation word changed for the next in its ring of `operations` (wrong: operation), or
    another problem of the run (other). Beside it the truth's own tau where it is known: what
    decides changes with the problem, too. A detector above it reads the form of a sentence, one
    near it what the sentence does; near 1 alone says nothing. A trace whose question names no
    operation is left out, and so is a detector that scores fewer than `least` of its sentences.
    """

    wrong: Literal["operation", "other"]
    operations: tuple[tuple[str, ...], ...]
    least: Annotated[int, Field(ge=2)]

    def prepared(self, about: About) -> object:
        """With the run's detectors; raises UserError where there is none, or no wrong problem."""
        chosen = {n: d for n, d in about.detectors.items() if reads_alone(d)}
        if not chosen:
            raise UserError("the run has scores of no detector that reads the model alone")
        if self.wrong == "other" and len({t.problem.id for t in about.traces}) == 1:
            raise UserError("one problem only: there is no other one; set wrong=operation")
        none = self.wrong == "operation" and all(
            other_operation(t.problem.question, self.operations) is None for t in about.traces
        )
        if none:
            raise UserError(
                "no question names one of validate.swap.operations; add words, or set wrong=other"
            )
        learners = {n: d for n, d in chosen.items() if isinstance(d, Fittable)}
        ready = Swapped(self, chosen, about.signed, about.truth)
        return Unfitted(ready, learners) if learners else ready

    def problem(self, trace: Trace, have: Evidence) -> Problem | None:
        """The wrong problem of a trace, if there is one."""
        if self.wrong == "other":
            return have.donors[0].problem if have.donors else None
        question = other_operation(trace.problem.question, self.operations)
        if question is None:
            return None
        return replace(trace.problem, id=f"{trace.problem.id}~{WRONG}", question=question)


def reads_alone(detector: Detector) -> bool:
    """Whether a detector reads the model that wrote the trace and draws nothing."""
    asked = wanted(detector, Evidence(1, "", REFERENCES))
    alone = all(name == "" for name in checkpoints(asked))
    return bool(asked) and alone and not any(isinstance(want, Draw) for want in asked)


@dataclass(frozen=True, eq=False)
class Unfitted:
    """Detectors some of which learn: on the traces as they are."""

    ready: "Swapped"
    learners: Mapping[str, Fittable]

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """What those that learn want."""
        return [want for d in self.learners.values() for want in wants(d, trace, have)]

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> "Swapped":
        """Each learner fitted once, for both problems."""
        fitted = {name: d.fit(traces, evidence) for name, d in self.learners.items()}
        return replace(self.ready, detectors={**self.ready.detectors, **fitted})

    def foreseen(self) -> "Swapped":
        """Learners want after fitting what they wanted before."""
        return self.ready


@dataclass(frozen=True, eq=False)
class Swapped:
    """The detectors, those that learn fitted, and who knows the truth."""

    conf: Swap
    detectors: Mapping[str, Detector]
    signed: frozenset[str]
    truth: Callable[[Trace, Problem | None], Truth | str] | None = None

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """What all want of the trace."""
        return [want for d in self.detectors.values() for want in wants(d, trace, have)]

    def variants(self, trace: Trace, have: Evidence) -> Sequence[Variant]:
        """The same tokens behind the wrong problem."""
        problem = self.conf.problem(trace, have)
        return [] if problem is None else [Variant(WRONG, problem=problem)]

    def wants_of(self, variant: str, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """The same of the variant."""
        return self.wants(trace, have)

    def rows(self, trace: Trace, evidence: Evidence) -> pl.DataFrame:
        """Tau by detector, and the truth's."""
        if WRONG not in evidence.derived:
            return pl.DataFrame(schema=ROWS)
        other = evidence.derived[WRONG]
        pairs = {
            name: (d.score(trace, evidence).score, d.score(other.trace, other.evidence).score)
            for name, d in self.detectors.items()
        }
        pairs |= self._truths(trace, other.trace)
        found = [self._row(name, *pair) for name, pair in pairs.items()]
        return pl.DataFrame(found, schema=ROWS)

    def _truths(self, trace: Trace, other: Trace) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        if self.truth is None:
            return {}
        both = [self.truth(trace, None), self.truth(trace, other.problem)]
        right, wrong = (each.exact["tv"] if isinstance(each, Truth) else None for each in both)
        return {} if right is None or wrong is None else {NAME: (right, wrong)}

    def _row(self, name: str, right: np.ndarray, wrong: np.ndarray) -> dict[str, Any]:
        known = np.isfinite(right) & np.isfinite(wrong)
        row = {"part": self.conf.wrong, "measure": MEASURE, "method": name}
        enough = known.sum() >= self.conf.least
        value = kendall(right[known], wrong[known]) if enough else np.nan
        return {**row, "value": value, "sentences": int(known.sum())}

    def summary(self, frame: pl.DataFrame, conf: Agreement) -> pl.DataFrame:
        """Tau of each detector and of the truth, then how far it is above the truth's."""
        names = frame["method"].unique(maintain_order=True).to_list()
        found: list[dict[str, Any]] = []
        if not names:
            reason = "no trace has a wrong problem"
            return summary_frame([{"measure": MEASURE, "n_problems": 0, "reason": reason}])
        taus = {name: by_problem(frame, {"method": name}) for name in names}
        row = {"part": self.conf.wrong, "unit": MEASURE}
        for name in names:
            reason = self._reason(frame, name)
            known = {"reason": reason} if reason else {}
            found.append(
                mean(taus[name], conf, {**row, "measure": MEASURE, "method": name, **known})
            )
        for name in names if taus.get(NAME) else ():
            if name != NAME and taus[name]:
                less = {"measure": LESS, "method": name}
                found.append(difference(taus[name], taus[NAME], conf, {**row, **less}))
        return summary_frame(found)

    def _reason(self, frame: pl.DataFrame, name: str) -> str:
        mine = frame.filter(method=name)
        return "" if mine["value"].is_not_null().any() else "constant, or too few sentences scored"


def kendall(a: np.ndarray, b: np.ndarray) -> float:
    """Kendall's tau-b; NaN where either is constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return np.nan
    tau: Any = kendalltau(a, b)[0]
    return float(tau)
