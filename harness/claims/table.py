"""The claims of a run as a frame: a row a claim, and a row a part where it has several."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from harness.agreement import Agreement
from harness.claims.claim import Claim, Frames, Part
from harness.claims.verdict import Judged, holm, judged, together
from harness.store import schema
from harness.store.files import rows


def claims_frame(claims: Mapping[str, Claim], frames: Frames) -> pl.DataFrame:
    """The frame schema.CLAIMS, claims in their order.

    The row of a claim has no part (""): its verdict is that of all parts it rests on, its numbers
    are null if these are several. A part that stands beside has numbers and no verdict.
    """
    found: list[dict[str, Any]] = []
    heads: list[dict[str, Any]] = []
    for name, claim in claims.items():
        parts = claim.test.parts(frames)
        head, *below = _rows(name, claim, parts, frames.conf)
        heads.append(head)
        found += [head, *below]
    for head, adjusted in zip(heads, holm([head["p"] for head in heads]), strict=True):
        head["p_holm"] = adjusted
    return rows(found, schema.CLAIMS)


def _rows(name: str, claim: Claim, parts: Sequence[Part], conf: Agreement) -> list[dict[str, Any]]:
    """The row of the claim, then those of its parts if there are several."""
    found = {part: judged(part, claim, conf) for part in parts if part.decides}
    verdict = together(list(found.values()), conf)
    deciding = list(found)
    fixed = {
        "claim": name,
        "text": claim.sentence,
        "source": claim.source,
        "unit": claim.test.unit,
        "worlds": claim.tried,
    }
    whole = deciding[0] if len(deciding) == 1 else Part("")
    least = min((part.n_problems for part in deciding if not part.missing), default=0)
    head = fixed | _numbers(whole, claim, verdict) | {"part": "", "n_problems": least}
    if len(parts) == 1:
        return [head]
    return [head, *(fixed | _numbers(part, claim, found.get(part)) for part in parts)]


def _numbers(part: Part, claim: Claim, verdict: Judged | None) -> dict[str, Any]:
    """What is known of one part; thresholds and verdict only where it decides."""
    row: dict[str, Any] = {
        "part": part.name,
        "effect": part.effect,
        "low": part.low,
        "high": part.high,
        "n_problems": part.n_problems,
        "missing": part.missing or part.reason,
    }
    if verdict is None:
        return row
    return row | {
        "p": verdict.p,
        "supported_from": claim.threshold(part),
        "contradicted_below": claim.contradicted_below,
        "verdict": verdict.verdict,
        "missing": verdict.missing,
    }
