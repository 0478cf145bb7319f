"""Claims that are the effects of a validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from harness.claims.claim import Frames, Part


@dataclass(frozen=True)
class Validated:
    """Effects of a validation, by the parts of its summary.

    Those of `measure` that `decides` names decide, all of them; those that `beside` names are shown
    and not judged. Where a part is a curve, its furthest point counts. `method`: the one whose
    effects these are, null = they rest on no method's scores.
    """

    validation: str
    measure: str
    method: str | None
    decides: tuple[str, ...]
    beside: tuple[str, ...]
    unit: str

    def parts(self, frames: Frames) -> Sequence[Part]:
        """A part each that decides or stands beside."""
        every = frames.effects.filter(
            pl.col("validation") == self.validation, pl.col("measure") == self.measure
        )
        effects = every.filter(pl.col("method").eq_missing(pl.lit(self.method)))
        if len(every) and effects.is_empty():
            return [Part("", missing=f"add method=[{self.method}], then {self._command(frames)}")]
        if effects.filter(pl.col("part").is_in(list(self.decides))).is_empty():
            return [Part("", missing=f"run {self._command(frames)}")]
        names = (*self.decides, *self.beside)
        found = [part for name in names for part in self._part(name, effects)]
        return found if len(self.decides) + len(self.beside) > 1 else [_alone(found[0])]

    def _command(self, frames: Frames) -> str:
        return f"python -m harness.validate {frames.run} 'validate=[{self.validation}]'"

    def _part(self, name: str, effects: pl.DataFrame) -> list[Part]:
        rows = effects.filter(pl.col("part") == name).sort("at", nulls_last=False)
        decides = name in self.decides
        if rows.is_empty():
            return [Part(name, reason=f"{self.validation} has no value of it")] if decides else []
        row = rows.row(-1, named=True)
        return [
            Part(
                name,
                *(row["value"], row["low"], row["high"]),
                row["n_problems"] or 0,
                decides=decides,
                reason=(row["reason"] or "") if row["value"] is None else "",
            )
        ]


def _alone(part: Part) -> Part:
    """The only part of a claim has no name."""
    ends = (part.effect, part.low, part.high)
    return Part("", *ends, part.n_problems, reason=part.reason)
