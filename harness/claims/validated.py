"""Claims that are the effects of a validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from harness.claims.claim import Frames, Part


@dataclass(frozen=True)
class Validated:
    """Effects of a validation, by the parts of its summary.

    Those of `measure` that `decides` names decide, all of them; those that `beside` names are shown
    and not judged. Where a part is a curve, its furthest point counts.
    """

    validation: str
    measure: str
    decides: tuple[str, ...]
    beside: tuple[str, ...]
    unit: str

    def parts(self, frames: Frames) -> Sequence[Part]:
        """A part each that decides or stands beside."""
        effects = frames.effects.filter(
            pl.col("validation") == self.validation, pl.col("measure") == self.measure
        )
        if effects.filter(pl.col("part").is_in(list(self.decides))).is_empty():
            command = f"python -m harness.validate {frames.run} validate=[{self.validation}]"
            return [Part("", missing=f"add {command}")]
        names = (*self.decides, *self.beside)
        found = [part for name in names for part in self._part(name, effects)]
        return found if len(self.decides) + len(self.beside) > 1 else [_alone(found[0])]

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
