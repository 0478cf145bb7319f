"""The pairs of the agreement frame, each with its values under every control."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from harness.report.format import decimal, interval

RAW = "none"
JUDGED = ("structure", "all", "position")  # the first that a run has is what verdicts rest on
READ = ("structure", "headroom", "position")  # the first that a pair has is read beside raw
APART = ("unrelated", "opposed", "different")


@dataclass(frozen=True)
class Value:
    """An agreement from -1 to 1 and its interval; None = undefined."""

    value: float | None
    low: float | None
    high: float | None

    @property
    def text(self) -> str:
        """The value with two decimals, or n/a."""
        return decimal(self.value)

    @property
    def interval(self) -> str:
        """The interval in brackets, or that there is none."""
        return interval(self.low, self.high)


NOTHING = Value(None, None, None)


@dataclass(frozen=True)
class Pair:
    """Two methods by one statistic under every control; the counts are those of the raw row.

    Verdict, its ceiling and what is left of noise are those under structure.
    """

    model: str
    a: str
    b: str
    statistic: str
    under: Mapping[str, Value]
    n_problems: int
    n_traces: int
    n_sentences: int
    verdict: str | None
    ceiling: float | None
    disattenuated: Value
    n_problems_needed: int | None

    @property
    def differs(self) -> bool:
        """Whether the verdict says that the two do not name the same sentences."""
        return self.verdict in APART

    @property
    def raw(self) -> Value:
        """Without control."""
        return self.at(RAW)

    def at(self, control: str) -> Value:
        """Under a control, undefined where that was not computed."""
        return self.under.get(control, NOTHING)

    def joins(self, first: Collection[str], second: Collection[str]) -> bool:
        """Whether one method is of the first and the other of the second."""
        return (self.a in first and self.b in second) or (self.b in first and self.a in second)

    def within(self, methods: Collection[str]) -> bool:
        """Whether both methods are among these."""
        return self.a in methods and self.b in methods


def pairs(agreement: pl.DataFrame, statistic: str) -> list[Pair]:
    """The pairs of one statistic, strongest raw agreement first, undefined ones last."""
    part = agreement.filter(pl.col("statistic") == statistic).fill_nan(None)
    found = [
        _pair(statistic, rows.rows(named=True))
        for _, rows in part.group_by("model", "a", "b", maintain_order=True)
    ]
    return sorted(found, key=lambda p: 1 if p.raw.value is None else -abs(p.raw.value))


def _pair(statistic: str, rows: list[dict[str, Any]]) -> Pair:
    by_control = {str(row["control"]): row for row in rows}
    counted = by_control.get(RAW, rows[0])
    judged = next((by_control[c] for c in JUDGED if c in by_control), counted)
    return Pair(
        str(rows[0]["model"]),
        str(rows[0]["a"]),
        str(rows[0]["b"]),
        statistic,
        {c: Value(row["value"], row["low"], row["high"]) for c, row in by_control.items()},
        *(int(counted[f"n_{of}"] or 0) for of in ("problems", "traces", "sentences")),
        verdict=judged["verdict"],
        ceiling=judged["verdict_ceiling"],
        disattenuated=Value(*(judged[f"disattenuated{end}"] for end in ("", "_low", "_high"))),
        n_problems_needed=judged["n_problems_needed"],
    )


def controls(pairs: Iterable[Pair]) -> list[str]:
    """The controls under which any of these pairs has a value, in the order of the frame."""
    found = [c for pair in pairs for c, value in pair.under.items() if value.value is not None]
    return [control for control in dict.fromkeys(found) if control != RAW]


def read_under(pairs: Iterable[Pair]) -> str:
    """The control to read: structure where any pair has it, else a weaker one."""
    there = controls(pairs)
    return next((control for control in READ if control in there), READ[-1])
