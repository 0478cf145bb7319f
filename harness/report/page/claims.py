"""The claims of a run as the page shows them: a row each, with the lines their intervals lie on."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from harness.report.format import decimal, interval
from harness.report.page.tables import optional

LEAST_SPAN = 1  # of a line on both sides of 0


def claims(run: Path) -> list[dict[str, Any]]:
    """A row a claim with its parts, none where the run has no claims.parquet.

    A part lies on a line from −span to span, the same for all parts of a claim.
    """
    frame = optional(run, "claims")
    if frame is None:
        return []
    found: list[dict[str, Any]] = []
    for _, rows in frame.group_by("claim", maintain_order=True):
        head, *parts = rows.to_dicts()
        lines = [row for row in parts or [head] if row["effect"] is not None]
        found.append(head | {"lines": [_line(row, head, span(lines)) for row in lines]})
        found[-1]["idle"] = _idle(parts)
    return sorted(found, key=lambda row: row["verdict"] == "not tested")


def span(lines: Sequence[Mapping[str, Any]]) -> int:
    """How far a line reaches on both sides of 0: to the next whole number that holds all ends."""
    ends = [row[key] for row in lines for key in ("effect", "low", "high", "supported_from")]
    return max([LEAST_SPAN, *(ceil(abs(end)) for end in ends if end is not None)])


def _line(row: Mapping[str, Any], head: Mapping[str, Any], reach: int) -> dict[str, Any]:
    """A part in words and numbers; of one that decides nothing there are no thresholds."""
    decides = row["verdict"] is not None
    thresholds = {
        "above": row["supported_from"] if decides else None,
        "below": row["contradicted_below"] if decides else None,
    }
    shown = {"name": row["part"], "text": decimal(row["effect"]), "span": reach}
    ends = {key: row[key] for key in ("effect", "low", "high")}
    shown["interval"] = interval(row["low"], row["high"])
    return shown | ends | thresholds | {"decides": decides}


def _idle(parts: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """What stands beside a claim and has no number: name and reason."""
    idle = [row for row in parts if row["effect"] is None and row["verdict"] is None]
    return [(row["part"], row["missing"]) for row in idle if row["missing"]]
