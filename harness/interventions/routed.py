"""Rollouts that two checkpoints write, arm by arm, and what their gap comes to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import polars as pl

from harness.agreement import Agreement
from harness.core import Condition, Draw, Evidence, Read, Route, Trace, Want
from harness.interventions.validation.effects import (
    by_problem,
    mean,
    share_recovered,
    summary_frame,
)
from harness.statistics.probes import Probe, correlation, standardised

BASE, OTHER, PROBE, FIT = "base", "other", "probe", "held-out correlation"
ROWS = {
    "part": pl.String,
    "measure": pl.String,
    "method": pl.String,
    "at": pl.Float64,
    "value": pl.Float64,
    "n": pl.Int32,
    "draw": pl.Int32,
    "threshold": pl.Float64,
}


@dataclass(frozen=True)
class Writers:
    """Who writes and who takes over, and in how many rollouts of each arm."""

    base: str
    other: str
    draws: int


@dataclass(frozen=True)
class Arm:
    """Rollouts under one router and threshold; `share` is the one wanted, None = the router's own.

    Without a route one checkpoint writes alone.
    """

    part: str
    method: str | None
    share: float | None
    route: Route | None

    def draw(self, writers: Writers) -> Draw:
        """The rollouts behind the prompt; the name of their arm says all that they depend on."""
        name = writers.other if self.part == OTHER else writers.base
        condition = Condition(name, under=() if self.route is None else (self.route,))
        said = blake2b(repr(condition).encode(), digest_size=6).hexdigest()
        arm = f"hybrid_{self.part}_{said}"
        return Draw(0, writers.draws, "answer", arm, condition=condition)


ALONE = (Arm(BASE, None, None, None), Arm(OTHER, None, None, None))


@dataclass(frozen=True, eq=False)
class Routed:
    """Thresholds and probes that never saw the problems they are used on."""

    writers: Writers
    reads: Read
    signed: frozenset[str]
    arms: tuple[Arm, ...]
    probes: Mapping[str, Probe]

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """Rollouts of every arm and of both alone, and the states that probes are tried on."""
        draws: list[Want[Any]] = [arm.draw(self.writers) for arm in (*ALONE, *self.arms)]
        return [*draws, self.reads] if self.probes else draws

    def rows(self, trace: Trace, evidence: Evidence) -> pl.DataFrame:
        """Whether each rollout is right, the share of tokens that was routed, how probes fit."""
        found = [row for arm in (*ALONE, *self.arms) for row in self._of_arm(arm, evidence)]
        for name, probe in self.probes.items():
            seen = probe.of(starts(trace, evidence, self.reads))
            fit = correlation(seen, target(name, trace, evidence, self.signed))
            value = None if np.isnan(fit) else fit
            found.append({"part": PROBE, "measure": FIT, "method": name, "value": value})
        return pl.DataFrame(found, schema=ROWS)

    def _of_arm(self, arm: Arm, evidence: Evidence) -> Iterator[dict[str, Any]]:
        drawn = evidence.found(arm.draw(self.writers))
        place = {"part": arm.part, "method": arm.method, "at": arm.share}
        for draw, correct in zip(drawn.draw.tolist(), drawn.correct.tolist(), strict=True):
            yield {**place, "measure": "correct", "value": float(correct), "n": 1, "draw": draw}
        if arm.route is not None:
            assert drawn.routed is not None
            assert drawn.n_tokens is not None
            total = int(drawn.n_tokens.sum())
            share = float(drawn.routed.sum() / total) if total else None
            of = {"threshold": arm.route.threshold, "n": len(drawn)}
            yield {**place, **of, "measure": "share routed", "value": share}

    def summary(self, frame: pl.DataFrame, conf: Agreement) -> pl.DataFrame:
        """Gap recovered, P(correct) and share routed of every arm, and how probes fit."""
        return summary(frame, conf)


def summary(frame: pl.DataFrame, conf: Agreement) -> pl.DataFrame:
    """Gap recovered, P(correct) and share routed of every arm, and how probes fit.

    The gap recovered is undefined, and says so, where the gap may be 0.
    """
    found: list[dict[str, Any]] = []
    base, other = (by_problem(frame, {"part": p, "measure": "correct"}) for p in (BASE, OTHER))
    arms = frame.filter(pl.col("measure") == "correct").select("part", "method", "at")
    for place in arms.unique(maintain_order=True).iter_rows(named=True):
        right = by_problem(frame, {**place, "measure": "correct"})
        found.append(mean(right, conf, {**place, "measure": "correct", "unit": "P(correct)"}))
        if place["part"] in (BASE, OTHER):
            continue
        share = by_problem(frame, {**place, "measure": "share routed"})
        found.append(mean(share, conf, {**place, "measure": "share routed", "unit": "tokens"}))
        row = {**place, "measure": "gap recovered", "unit": "of the gap"}
        found.append(share_recovered(right, base, other, conf, row))
    found.sort(key=lambda row: row["measure"] != "gap recovered")
    for name in frame.filter(pl.col("measure") == FIT)["method"].unique(maintain_order=True):
        row = {"part": PROBE, "method": name, "measure": FIT}
        found.append(mean(by_problem(frame, row), conf, {**row, "unit": "correlation"}))
    return summary_frame(found)


def starts(trace: Trace, have: Evidence, reads: Read) -> np.ndarray:
    """The states that predict the first tokens of the trace's sentences, of the one block read."""
    (layer,) = reads.states
    states = np.asarray(have.found(reads).states[layer], float)
    return states[[sentence.start for sentence in trace.sentences]]


def target(name: str, trace: Trace, have: Evidence, signed: frozenset[str]) -> np.ndarray:
    """The standardised scores of a method, NaN where the run has none of the trace."""
    if name not in have.scores:
        return np.full(len(trace.sentences), np.nan)
    return standardised(np.asarray(have.scores[name], float), signed=name in signed)
