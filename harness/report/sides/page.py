"""The page of two runs side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.report.page.families import families
from harness.report.page.rendering import style_alone, template
from harness.report.pairs import Value
from harness.report.sides.sides import Difference, Side, claims
from harness.store.files import write_bytes


def render(sides: Sequence[Side], found: Sequence[Difference], folder: Path) -> Path:
    """Write `compare-<first>.html` into a folder; returns it."""
    first, _ = sides
    html = template("compare.html").render(
        **style_alone(),
        names=[one.run.name for one in sides],
        given_truth={name for one in sides for name in one.source.given_truth},
        rows=found,
        statistic=first.statistic,
        control=first.control,
        claims=_claims(sides),
        families=_families(sides),
        paired=all(row.paired for row in found),
    )
    page = folder / f"compare-{first.run.name}.html"
    write_bytes(page, html.encode())
    return page


def _claims(sides: Sequence[Side]) -> list[dict[str, Any]]:
    """Sentence and both verdicts with their effects; those that either run lacks are left out."""
    first, second = ({row["claim"]: row for row in claims(one).to_dicts()} for one in sides)
    return [
        {"text": row["text"], "sides": [_verdict(row), _verdict(second[name])]}
        for name, row in first.items()
        if name in second
    ]


def _verdict(row: Mapping[str, Any]) -> dict[str, Any]:
    value = Value(row["effect"], row["low"], row["high"])
    return {"verdict": row["verdict"], "value": value, "missing": row["missing"]}


def _families(sides: Sequence[Side]) -> list[tuple[str, Value, Value]]:
    """Each two families under the control that verdicts rest on."""
    first, second = ({row["name"]: row["values"][1] for row in families(one.run)} for one in sides)
    return [(name, value, second[name]) for name, value in first.items() if name in second]
