"""Claims that two methods, or several pairs of them, name the same sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from harness.claims.claim import Frames, Part, lacking


@dataclass(frozen=True)
class Pairing:
    """Two methods under a control of the agreement frame."""

    a: str
    b: str
    control: str

    @property
    def name(self) -> str:
        """The pair in words."""
        beyond = " beyond wording" if self.control == "all" else ""
        return f"{self.a} ~ {self.b}{beyond}"


@dataclass(frozen=True)
class Agreeing:
    """Agreement of pairs of methods, freed of the noise of their own draws.

    The claim rests on every one of `pairs`; those of `beside` are shown with them. A pair whose
    ceiling lies below `unreliable` decides nothing.
    """

    statistic: Literal["spearman", "topdown"]
    unreliable: float
    pairs: tuple[Pairing, ...]
    beside: tuple[Pairing, ...]

    @property
    def unit(self) -> str:
        """Correlation of scores within a trace, noise taken out."""
        return f"disattenuated {self.statistic} correlation"

    def parts(self, frames: Frames) -> Sequence[Part]:
        """A part a pair, and a model where there are several."""
        rows = frames.agreement.filter(pl.col("statistic") == self.statistic)
        every = [(pair, True) for pair in self.pairs] + [(pair, False) for pair in self.beside]
        return [
            part for pair, decides in every for part in self._of_pair(pair, decides, rows, frames)
        ]

    def _of_pair(
        self, pair: Pairing, decides: bool, rows: pl.DataFrame, frames: Frames
    ) -> list[Part]:
        if missing := lacking((pair.a, pair.b), frames):
            return [Part(pair.name, decides=decides, missing=missing)]
        here = pl.col("a").is_in([pair.a, pair.b]) & pl.col("b").is_in([pair.a, pair.b])
        found = rows.filter(here, pl.col("control") == pair.control)
        if found.is_empty():
            add = f"add {self.statistic} to agreement.statistics and {pair.control} to "
            missing = f"{add}agreement.controls"
            return [Part(pair.name, decides=decides, missing=missing)]
        several = frames.agreement["model"].n_unique() > 1
        return [
            self._part(f"{row['model']}: {pair.name}" if several else pair.name, row, decides)
            for row in found.iter_rows(named=True)
        ]

    def _part(self, name: str, row: dict[str, Any], decides: bool) -> Part:
        ends = (row["disattenuated"], row["disattenuated_low"], row["disattenuated_high"])
        return Part(name, *ends, row["n_problems"] or 0, decides, reason=self._reason(row))

    def _reason(self, row: dict[str, Any]) -> str:
        ceiling, share = row["ceiling"], row.get("share")
        if ceiling is not None and ceiling < self.unreliable:
            return (
                f"unreliable: the ceiling is {ceiling:.2f}, below {self.unreliable:g}; "
                "more sampling.draws"
            )
        if row["disattenuated"] is None and row["value"] is not None:
            where = "" if share is None else f" (halves on {share:.0%} of the sentences)"
            return f"noise cannot be taken out{where}; more sampling.draws"
        return ""
