"""The replica floor: what rounding in another batch does to rollouts, and to what is selected."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import polars as pl
from pydantic import Field

from harness.agreement import Agreement
from harness.agreement.outcome import CORRELATED
from harness.agreement.settings import Statistic
from harness.core import (
    Detector,
    Draw,
    Embed,
    Evidence,
    Fittable,
    RolloutText,
    Trace,
    UserError,
    Want,
)
from harness.core.seeds import derive
from harness.engines.base import EngineConf, check_replica
from harness.evidence.example import NONE, REFERENCES, wanted
from harness.evidence.gather import wants
from harness.evidence.wants import answered
from harness.interventions.repeated.likeness import (
    ANSWER,
    TEXT,
    Scores,
    again_of,
    alike,
    alike_rollouts,
    as_the_run,
)
from harness.interventions.validation.effects import (
    by_problem,
    difference,
    mean,
    summary_frame,
)
from harness.interventions.validation.intervention import About
from harness.models.model import Subject
from harness.run.scoring import score

ACROSS, OWN = "across", "own"  # of two scores, and of each with itself
RUN, REPLICA, HALVES = "run", "replica", "halves of the run"
FEWEST = 2  # traces
ROWS: Mapping[str, Any] = {
    "part": pl.String,
    "measure": pl.String,
    "method": pl.String,
    "value": pl.Float64,
    "n": pl.Int32,
    "sentence": pl.Int32,
    "half_a": pl.List(pl.Float64),
    "half_b": pl.List(pl.Float64),
}


@dataclass(frozen=True)
class Replica:
    """How far the same seeds give the same rollouts and the same selection in another batch.

    Of a `share` of the traces, two at least, the rollouts of the detectors in `drawn` are drawn
    again from every boundary with the seeds of the run, in another order and so beside others, and
    scored. Values: the share of rollouts that are the same, and of those with the same answer; for
    each detector the agreement of its scores on both by each of the `statistics`, as the comparison
    of methods has them, and what is lost: how much more they are like themselves. Beside it the
    agreement of `splits` pairs of halves of the run's own draws: what other rollouts, half as many,
    do to the scores. Refused where the engine gives the same rollouts in every batch, and where its
    draws cannot be repeated.
    """

    share: Annotated[float, Field(gt=0, le=1)]
    drawn: tuple[str, ...]
    statistics: Annotated[tuple[Statistic, ...], Field(min_length=1)]
    splits: Annotated[int, Field(ge=1)]

    def check(self, engine: EngineConf, subject: Subject) -> None:
        """Raise UserError for an engine that has no replica."""
        check_replica(engine, subject)

    def prepared(self, about: About) -> object:
        """With the run's detectors and a share of its traces; raises UserError where one is not."""
        about.check_replica()
        chosen = {name: about.detectors[name] for name in self.drawn if name in about.detectors}
        if not chosen:
            names = ", ".join(self.drawn) or "nothing"
            raise UserError(f"the run has scores of none of validate.replica.drawn ({names})")
        for name, detector in chosen.items():
            _check_draws(name, detector, about.model.force if about.model else "")
        every = sorted((trace.id for trace in about.traces), key=lambda i: derive("replica", i))
        return Repeated(self, chosen, frozenset(every[: self.number(len(every))]))

    def number(self, traces: int) -> int:
        """How many of so many traces are drawn again."""
        return min(traces, max(FEWEST, round(self.share * traces)))


def _check_draws(name: str, detector: Detector, force: str) -> None:
    """Raise UserError for a detector that is more than scores of rollouts behind the trace."""
    asked = wanted(detector, Evidence(1, force, REFERENCES))
    drawn = [want for want in asked if isinstance(want, Draw)]
    plain = all(not (want.after or want.of or want.leaving) for want in drawn)
    rest = all(isinstance(want, Draw | Embed) for want in asked)
    if not drawn or not plain or not rest or isinstance(detector, Fittable):
        raise UserError(
            f"{name} is not made of rollouts behind the trace alone, their answers and first "
            "sentences; take it out of validate.replica.drawn"
        )


@dataclass(frozen=True, eq=False)
class Repeated:
    """The detectors that take part, and the traces by name."""

    conf: Replica
    detectors: Mapping[str, Detector]
    traces: frozenset[str]

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """What the detectors want of the run and of the replica, then the texts of both.

        Nothing of a trace whose rollouts the run has not: they are not drawn in its place.
        """
        if trace.id not in self.traces:
            return []
        own = self._of(trace, have)
        drawn = dict.fromkeys(want for want in own if isinstance(want, Draw))
        if not all(_known(want, have) for want in drawn):
            return []
        again = self._of(trace, as_the_run(have))
        there = [want for want in drawn if answered(again_of(want), have)]
        texts = [
            RolloutText(each.arm, each.boundary, each.n)
            for want in there
            for each in (want, again_of(want))
        ]
        return [*own, *(again_of(w) if isinstance(w, Draw) else w for w in again), *texts]

    def _of(self, trace: Trace, have: Evidence) -> list[Want[Any]]:
        return [want for d in self.detectors.values() for want in wants(d, trace, have)]

    def rows(self, trace: Trace, evidence: Evidence) -> pl.DataFrame:
        """By arm the share of rollouts that are alike, then both scores of each sentence."""
        frames = [pl.DataFrame(schema=ROWS)]
        if evidence.rollouts:
            frames.append(pl.DataFrame(alike_rollouts(evidence)))
            sides = ((RUN, evidence, self.conf.splits), (REPLICA, as_the_run(evidence), 0))
            frames += [
                _scores(part, name, score(detector, trace, have, splits).frame)
                for name, detector in self.detectors.items()
                for part, have, splits in sides
            ]
        return pl.concat(frames, how="diagonal_relaxed")

    def summary(self, frame: pl.DataFrame, conf: Agreement) -> pl.DataFrame:
        """By statistic and detector what is lost, how alike scores and halves are; the rollouts."""
        found = [
            row
            for statistic in self.conf.statistics
            for name in self.detectors
            for row in self._compared(name, statistic, frame, conf)
        ]
        shares = frame.filter(pl.col("measure").is_in([TEXT, ANSWER]))
        for arm, measure in shares.select("part", "measure").unique(maintain_order=True).rows():
            row = {"part": arm, "measure": measure}
            found.append(mean(by_problem(shares, row), conf, {**row, "unit": "share"}))
        return summary_frame(found)

    def _compared(
        self, name: str, statistic: Statistic, frame: pl.DataFrame, conf: Agreement
    ) -> Iterator[dict[str, Any]]:
        """What is lost comes first: how much less both are alike than each is like itself."""
        mine = frame.filter(method=name, measure="score")
        unit = "correlation" if statistic in CORRELATED else "overlap beyond chance"
        row: dict[str, Any] = {"method": name, "unit": unit}
        if mine.is_empty():
            row |= {"reason": "no trace has all its rollouts in the run"}
        whole = _by_trace(mine, REPLICA, statistic, conf)
        halves = _by_trace(mine, HALVES, statistic, conf)
        row["part"] = REPLICA
        across, own = (by_problem(whole, {"measure": kind}) for kind in (ACROSS, OWN))
        yield difference(own, across, conf, {**row, "measure": f"{statistic} lost"})
        yield mean(across, conf, {**row, "measure": statistic})
        row |= {"part": HALVES, "measure": statistic}
        yield mean(by_problem(halves, {"measure": ACROSS}), conf, row)


def _by_trace(mine: pl.DataFrame, part: str, statistic: Statistic, conf: Agreement) -> pl.DataFrame:
    """A statistic of the pairs of scores of each trace, and of each with itself: their means."""
    found: list[tuple[Any, Any, str, float | None]] = []
    for (trace, problem), some in mine.group_by("trace_id", "problem_id", maintain_order=True):
        pairs = [alike(a, b, statistic, conf) for a, b in _pairs(some.sort("sentence"), part)]
        known = [pair for pair in pairs if np.isfinite(pair).all()]
        for kind, values in zip((ACROSS, OWN), zip(*known, strict=True), strict=False):
            found.append((trace, problem, kind, float(np.mean(values))))
    columns = {"trace_id": pl.String, "problem_id": pl.String, "measure": pl.String}
    return pl.DataFrame(found, {**columns, "value": pl.Float64}, orient="row")


def _known(want: Draw, have: Evidence) -> bool:
    """Whether the run has the rollouts; a plan has them without any draw."""
    return have.rollouts.get((want.arm, want.boundary)) is NONE or answered(want, have)


def _pairs(some: pl.DataFrame, part: str) -> list[tuple[Scores, Scores]]:
    """Scores of the sentences of one trace that are compared, a pair a split where it is halves."""
    if part == REPLICA:
        run, other = (some.filter(part=p)["value"] for p in (RUN, REPLICA))
        return [(_values(run), _values(other))]
    halves = [some.filter(part=RUN)[half].to_list() for half in ("half_a", "half_b")]
    return [
        (_values(pl.Series(a)), _values(pl.Series(b)))
        for a, b in zip(*(zip(*half, strict=True) for half in halves), strict=True)
    ]


def _values(column: pl.Series) -> Scores:
    return column.cast(pl.Float64).fill_null(np.nan).to_numpy()


def _scores(part: str, name: str, scored: pl.DataFrame) -> pl.DataFrame:
    return scored.select(
        pl.lit(part).alias("part"),
        pl.lit("score").alias("measure"),
        pl.lit(name).alias("method"),
        pl.col("score").cast(pl.Float64).alias("value"),
        "sentence",
        "half_a",
        "half_b",
    )
