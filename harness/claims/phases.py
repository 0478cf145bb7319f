"""Claims about what changes first and what later over a series of checkpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import polars as pl
from jaxtyping import Float
from pydantic import Field

from harness.agreement.inference import interval
from harness.claims.claim import Frames, Part, known

LEAST = 3  # checkpoints: both halves have two, the middle one in common
Curves = Float[np.ndarray, "problems checkpoints"]


@dataclass(frozen=True)
class TwoPhases:
    """Execution entropy falls first and then is flat, while planning entropy goes on to rise.

    Entropy of execution and of planning tokens by problem and checkpoint, on the `traces` of each
    checkpoint ("own") or of the first ("base"); slopes by least squares over log(step + 1), of the
    first and the second half of the series, the middle checkpoint belonging to both. Flat is a
    slope whose interval lies within `flat` of 0: its part is `flat` − |slope|. Problems that lack
    either class at a checkpoint are left out.
    """

    traces: Literal["own", "base"]
    flat: Annotated[float, Field(gt=0)]

    @property
    def unit(self) -> str:
        """A slope."""
        return "nats a log step"

    def parts(self, frames: Frames) -> Sequence[Part]:
        """The difference of the slopes in the second half, and what the two phases are made of."""
        name = "planning − execution, second half"
        if frames.dynamics.is_empty():
            return [Part(name, missing=ADD.format(Path(frames.run).name))]
        rows = frames.dynamics.filter(measure="entropy", traces=self.traces)
        steps = rows.select("checkpoint", "step").unique().sort("step")
        if len(steps) < LEAST:
            found = ", ".join(steps["checkpoint"]) or "none"
            missing = f"add checkpoints to model.series: {LEAST} at least, there are {found}"
            return [Part(name, missing=missing)]
        order = steps["checkpoint"].to_list()
        planning, execution = curves(rows, order)
        at, half = np.log1p(steps["step"].to_numpy()), len(order) // 2
        late = slope(planning[:, half:], at[half:]), slope(execution[:, half:], at[half:])
        early = slope(execution[:, : half + 1], at[: half + 1])
        return [
            _part(name, late[0] - late[1], frames),
            _part("execution falls, first half", -early, frames),
            _level(_part("execution is flat, second half", late[1], frames), self.flat),
            _part("planning rises, second half", late[0], frames),
        ]


ADD = "add a series: python -m harness.dynamics run={}, as the run was made, with model.series"


def curves(rows: pl.DataFrame, order: Sequence[str]) -> tuple[Curves, Curves]:
    """Planning and execution by problem and checkpoint, of the problems that have all of both."""
    wide = [
        rows.filter(pl.col("class") == kind)
        .pivot("checkpoint", on_columns=list(order), index="problem_id", values="value")
        .drop_nulls()
        for kind in ("planning", "execution")
    ]
    both = wide[0].select("problem_id").join(wide[1], on="problem_id", how="semi")
    found = [both.join(w, on="problem_id").sort("problem_id").select(order) for w in wide]
    return found[0].to_numpy().astype(float), found[1].to_numpy().astype(float)


def slope(values: Curves, at: Float[np.ndarray, " checkpoints"]) -> Float[np.ndarray, " problems"]:
    """Least squares of each row against `at`."""
    away = at - at.mean()
    return values @ away / (away @ away)


def _part(name: str, values: Float[np.ndarray, " problems"], frames: Frames) -> Part:
    if not len(values):
        return Part(name, reason="no problem has both classes of tokens at every checkpoint")
    return Part(name, float(values.mean()), *known(interval(values, frames.conf)), len(values))


def _level(part: Part, flat: float) -> Part:
    """How far a slope stays within `flat` of 0, with its interval."""
    if part.effect is None or part.low is None or part.high is None:
        return part
    far = max(abs(part.low), abs(part.high))
    near = 0.0 if part.low < 0 < part.high else min(abs(part.low), abs(part.high))
    ends = (flat - abs(part.effect), flat - far, flat - near)
    return Part(part.name, *ends, part.n_problems)
