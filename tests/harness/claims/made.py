"""Frames of a run, made by hand, for claims to be tested on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from harness.claims import Claim, Frames, Part
from harness.claims.claim import Needs, Truth
from harness.store import schema
from tests.harness.comparing import load

NOTHING = Needs((), (), dynamics=False)
CONF = replace(load(), draws=200, top_least=1)


def frames(
    scores: Mapping[str, Mapping[str, Sequence[float | None]]],
    pairs: Sequence[Mapping[str, Any]] = (),
    categories: Mapping[str, Sequence[str | None]] | None = None,
    **more: Any,
) -> Frames:
    """Scores by method and trace ("p0-0" is the first of problem p0), rows of pairs, categories."""
    rows = [
        ("toy", trace.partition("-")[0], trace, i, method, score)
        for method, traces in scores.items()
        for trace, vector in traces.items()
        for i, score in enumerate(vector)
    ]
    names = ["model", "problem_id", "trace_id", "sentence", "method", "score"]
    kinds = dict(zip(names, [pl.String] * 3 + [pl.Int32, pl.String, pl.Float64], strict=True))
    longest = {t: len(v) for traces in scores.values() for t, v in traces.items()}
    sentences = [
        {"trace_id": t, "sentence": i, "n_tokens": 10, "position": (i + 1) / n}
        | {"category": categories[t][i] if categories else None}
        for t, n in longest.items()
        for i in range(n)
    ]
    given: dict[str, Any] = {
        "signed": frozenset(),
        "given_truth": {},
        "undefined": {},
        "conf": CONF,
    }
    given |= {"diagnostics": {}, "dynamics": pl.DataFrame(schema=schema.DYNAMICS_BY_PROBLEM)}
    given |= {"effects": pl.DataFrame(schema=schema.VALIDATION_SUMMARY), "run": "results/r"} | more
    agreement = [
        {"model": "toy", "statistic": "topdown", "control": "structure"} | p for p in pairs
    ]
    return Frames(
        pl.DataFrame(agreement, schema=schema.AGREEMENT | {"share": pl.Float64}),
        pl.DataFrame(rows, schema=kinds, orient="row"),
        pl.DataFrame(sentences, schema=schema.SENTENCES),
        **given,
    )


class Fixed:
    """A test that finds what it is given."""

    unit = "points"

    def __init__(self, *parts: Part) -> None:
        self.given = parts

    def parts(self, frames: Frames) -> Sequence[Part]:
        return self.given


def claim(*parts: Part, above: float = 0.5, below: float = 0.3) -> Claim:
    worlds = Truth("deploys", ("supported",)), Truth("style", ("contradicted", "undecided"))
    within = Truth("style", ("supported",), "a part")
    return Claim("It is so.", "somewhere", above, below, NOTHING, (*worlds, within), Fixed(*parts))
