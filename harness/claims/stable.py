"""Claims that a method finds the same sentences on two checkpoints."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from harness.claims.claim import Frames, Part, lacking


@dataclass(frozen=True)
class Stable:
    """How far detectors rank the sentences of a trace alike on another checkpoint.

    `measure` of the validation `stability`, in which both checkpoints read the same tokens. All of
    `methods` decide, and each of `drawn` from its own threshold, `drawn_from`, once the noise of
    its draws is taken out. What else was read stands beside, as does `beside`, another measure.
    """

    measure: str
    methods: tuple[str, ...]
    drawn: tuple[str, ...]
    drawn_from: float
    beside: str

    @property
    def unit(self) -> str:
        """A correlation within a trace."""
        return f"{self.measure} correlation of both checkpoints, noise taken out"

    def parts(self, frames: Frames) -> Sequence[Part]:
        """A part a detector, and one beside it."""
        effects = frames.effects.filter(pl.col("validation") == "stability")
        if effects.is_empty():
            return [Part("", missing=f"run python -m harness.validate {frames.run}")]
        rows = effects.filter(pl.col("measure") == self.measure)
        if rows.is_empty():
            return [Part("", missing=f"add {self.measure} to validate.stability.statistics")]
        found = [self._part(row, frames) for row in rows.iter_rows(named=True)]
        absent = [m for m in self.methods if m not in rows["method"]]
        found += [Part(m, missing=self._absent(m, frames)) for m in absent]
        also = effects.filter(pl.col("measure") == self.beside)
        return [*found, *(self._beside(row) for row in also.iter_rows(named=True))]

    def _part(self, row: dict[str, Any], frames: Frames) -> Part:
        name, drawn = row["method"], row["method"] in self.drawn
        told = name in frames.given_truth
        decides = name in self.methods and not told
        noisy = drawn and row["unit"] != "disattenuated"
        return Part(
            f"{name} (was told what is planted)" if told else name,
            *(row["value"], row["low"], row["high"]),
            row["n_problems"] or 0,
            decides=decides,
            supported_from=self.drawn_from if drawn else None,
            reason="noise cannot be taken out; more sampling.draws" if noisy else "",
        )

    def _absent(self, name: str, frames: Frames) -> str:
        """What it takes for a method to be read on both checkpoints."""
        again = f"add {name} to validate.stability.drawn" if name in self.drawn else ""
        return lacking([name], frames) or again or f"{name} was not read on both checkpoints"

    def _beside(self, row: dict[str, Any]) -> Part:
        ends = (row["value"], row["low"], row["high"])
        return Part(f"{row['method']}, {self.beside}", *ends, row["n_problems"] or 0, decides=False)
