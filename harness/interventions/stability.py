"""Were the anchors there before: detectors on two checkpoints over the same tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import polars as pl
from pydantic import Field

from harness.agreement import Agreement, MethodInfo, agreement
from harness.agreement.settings import Statistic
from harness.core import Detector, Draw, Evidence, Fittable, Trace, UserError, Want
from harness.evidence.example import REFERENCES, wanted
from harness.evidence.gather import wants
from harness.evidence.wants import checkpoints
from harness.interventions.validation.effects import summary_frame
from harness.interventions.validation.intervention import About, Variant
from harness.run.scoring import score

MODEL = "model"  # the part of the rows that the model itself reads
HALVES = {"half_a": pl.List(pl.Float64), "half_b": pl.List(pl.Float64)}


@dataclass(frozen=True)
class Stability:
    """How far a detector finds the same sentences on another checkpoint that reads the same tokens.

    Every detector of the run that reads the model alone takes part, of those that draw rollouts
    the ones in `drawn`, whose noise is taken out by halves of the draws. The other `checkpoint`
    reads and writes in the place of the model; of each kind of rollouts it draws `draws`, null as
    many as the run. Value: agreement of the scores of both by each of the `statistics`, over
    problems, raw and under structure (here position and length); `splits` pairs of halves.
    """

    checkpoint: str
    drawn: tuple[str, ...]
    draws: Annotated[int, Field(ge=2)] | None
    statistics: tuple[Statistic, ...]
    splits: int

    def prepared(self, about: About) -> object:
        """With the detectors of the run; raises UserError for a checkpoint that is not there."""
        model = about.with_checkpoint(self.checkpoint)
        chosen = {n: d for n, d in about.detectors.items() if self._takes_part(n, d, model.force)}
        if not chosen:
            raise UserError("the run has scores of no detector that reads the model alone")
        learners = {n: d for n, d in chosen.items() if isinstance(d, Fittable)}
        sides = Sides(self, chosen, about.signed & set(chosen), {})
        return Unfitted(sides, learners) if learners else sides

    def there(self, have: Evidence) -> Evidence:
        """Evidence of the other checkpoint, with as many draws as it makes."""
        return replace(have, draws=min(have.draws, self.draws or have.draws))

    def _takes_part(self, name: str, detector: Detector, force: str) -> bool:
        asked = wanted(detector, Evidence(1, force, REFERENCES))
        alone = checkpoints(asked) == [""]
        draws = any(isinstance(want, Draw) for want in asked)
        return alone and (not draws or name in self.drawn)


@dataclass(frozen=True, eq=False)
class Unfitted:
    """Detectors some of which learn: on each side by what that checkpoint reads."""

    sides: "Sides"
    learners: Mapping[str, Fittable]

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """What those that learn want."""
        return [want for d in self.learners.values() for want in wants(d, trace, have)]

    def variants(self, trace: Trace, have: Evidence) -> Sequence[Variant]:
        """The trace as the other checkpoint reads it."""
        return self.sides.variants(trace, have)

    def wants_of(self, variant: str, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """The same of the other checkpoint."""
        return self.wants(trace, self.sides.conf.there(have))

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> "Sides":
        """Each learner fitted twice."""
        others = [have.derived[self.sides.conf.checkpoint] for have in evidence]
        there = [other.trace for other in others]
        seen = [self.sides.conf.there(other.evidence) for other in others]
        fitted = {
            name: (learner.fit(traces, evidence), learner.fit(there, seen))
            for name, learner in self.learners.items()
        }
        return replace(self.sides, fitted=fitted)

    def foreseen(self) -> "Sides":
        """Learners want after fitting what they wanted before."""
        return self.sides


@dataclass(frozen=True, eq=False)
class Sides:
    """The detectors on both sides, those that learn fitted: of the model, of the other."""

    conf: Stability
    detectors: Mapping[str, Detector]
    signed: frozenset[str]
    fitted: Mapping[str, tuple[Detector, Detector]]

    def of(self, side: int) -> dict[str, Detector]:
        """The detectors of one side."""
        return {
            n: self.fitted[n][side] if n in self.fitted else d for n, d in self.detectors.items()
        }

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """What all want of the model."""
        return [want for d in self.of(0).values() for want in wants(d, trace, have)]

    def variants(self, trace: Trace, have: Evidence) -> Sequence[Variant]:
        """The trace as the other checkpoint reads it."""
        name = self.conf.checkpoint
        return [Variant(name, checkpoint=name)]

    def wants_of(self, variant: str, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """What all want of the other checkpoint."""
        there = self.conf.there(have)
        return [want for d in self.of(1).values() for want in wants(d, trace, there)]

    def rows(self, trace: Trace, evidence: Evidence) -> pl.DataFrame:
        """A row a detector, side and sentence, with the scores on half samples of the draws."""
        other = evidence.derived[self.conf.checkpoint]
        sides = (
            (MODEL, self.of(0), trace, evidence),
            (self.conf.checkpoint, self.of(1), other.trace, self.conf.there(other.evidence)),
        )
        return pl.concat(
            [
                _scores(part, name, score(detector, at, have, self.conf.splits).frame, at)
                for part, detectors, at, have in sides
                for name, detector in detectors.items()
            ]
        )

    def summary(self, frame: pl.DataFrame, conf: Agreement) -> pl.DataFrame:
        """Agreement of both sides by detector, raw and without the noise of draws."""
        some = replace(conf, statistics=self.conf.statistics, controls=("none", "structure"))
        found = [row for name in self.detectors for row in self._agreed(name, frame, some)]
        return summary_frame(found)

    def _agreed(self, name: str, frame: pl.DataFrame, conf: Agreement) -> list[dict[str, Any]]:
        """The rows of a detector: every statistic and control, as seen and disattenuated."""
        mine, other = frame.filter(method=name), self.conf.checkpoint
        parts = {part: mine.filter(part=part) for part in (MODEL, other)}
        drawn = name in self.conf.drawn
        traits = {
            part: MethodInfo("", name in self.signed, frozenset({part} if drawn else ()))
            for part in parts
        }
        traces = mine.select("trace_id", "problem_id", model=pl.lit("")).unique(maintain_order=True)
        compared = agreement(
            {part: rows.select(*_SCORES).lazy() for part, rows in parts.items()},
            traces,
            _covariates(parts[MODEL]),
            traits,
            conf,
        )
        return [_row(other, name, row) for row in compared.agreement.iter_rows(named=True)]


_SCORES = ("trace_id", "sentence", pl.col("value").fill_null(np.nan).alias("score"), *HALVES)


def _scores(part: str, name: str, scored: pl.DataFrame, trace: Trace) -> pl.DataFrame:
    return scored.select(
        pl.lit(part).alias("part"),
        pl.lit("score").alias("measure"),
        pl.lit(name).alias("method"),
        pl.col("score").alias("value"),
        "sentence",
        *HALVES,
        n_tokens=pl.Series([s.stop - s.start for s in trace.sentences], dtype=pl.Int32),
    )


def _covariates(rows: pl.DataFrame) -> pl.DataFrame:
    """Position and length; what else the controls know of is not known here."""
    place = rows.select("trace_id", "sentence", "n_tokens")
    n = (pl.col("sentence") + 1) / pl.len().over("trace_id")
    columns = {"position": n, "length": pl.col("n_tokens").cast(pl.Float64)}
    unknown = dict.fromkeys(("lexicon", "headroom"), pl.lit(None, pl.Float64))
    return pl.concat(
        [
            place.select("trace_id", "sentence", method=pl.lit(name), score=value)
            for name, value in {**columns, **unknown}.items()
        ]
    )


def _row(part: str, method: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the agreement frame as an effect; without the noise of draws where there is."""
    noisy = row["disattenuated"] is not None
    ends = ("disattenuated_low", "disattenuated_high") if noisy else ("low", "high")
    control = "" if row["control"] == "none" else f" under {row['control']}"
    reason = f"ceiling {row['ceiling']:.2f}" if row["ceiling"] is not None else ""
    return {
        "part": part,
        "measure": f"{row['statistic']}{control}",
        "method": method,
        "value": row["disattenuated"] if noisy else row["value"],
        "low": row[ends[0]],
        "high": row[ends[1]],
        "unit": "disattenuated" if noisy else "correlation",
        "n_problems": row["n_problems"],
        "reason": reason,
    }
