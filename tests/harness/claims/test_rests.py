"""The claims about what the answer rests on, as their yamls have them, on summaries by hand."""

from importlib.resources import files
from typing import Any

import polars as pl
import pytest
import yaml

from harness.claims import claims_frame
from harness.claims.claim import Claim
from harness.core.config import build
from harness.store import schema
from tests.harness.claims.made import frames


def row(validation: str, part: str, low: float, high: float, **more: Any) -> dict[str, Any]:
    given = {"validation": validation, "part": part, "value": (low + high) / 2, "n_problems": 20}
    return given | {"low": low, "high": high} | more


def judged(name: str, *rows: dict[str, Any]) -> tuple[str, str]:
    text = (files("conf") / "claim" / f"{name}.yaml").read_text(encoding="utf-8")
    claim = build(Claim, yaml.safe_load(text)[name], name)
    effects = pl.DataFrame(list(rows), schema=schema.VALIDATION_SUMMARY)
    found = claims_frame({name: claim}, frames({}, effects=effects))
    return found["verdict"][0], found["missing"][0]


def sceptic(part: str, low: float, high: float) -> dict[str, Any]:
    return row("sceptic", part, low, high, measure="P(correct), forced")


@pytest.mark.parametrize(
    ("swap", "none", "verdict"),
    [
        ((0.7, 0.9), (0.3, 0.5), "supported"),
        ((0.7, 0.9), (0.0, 0.1), "contradicted"),
        ((-0.1, 0.1), (0.7, 0.9), "contradicted"),
        ((0.7, 0.9), (0.1, 0.3), "undecided"),
    ],
)
def test_both_differences_must_be_large(swap: Any, none: Any, verdict: str):
    rows = [sceptic("TRUE − SWAP", *swap), sceptic("TRUE − NONE", *none)]
    assert judged("answer_rests_on_trace", *rows)[0] == verdict


def deleted(low: float, high: float, **more: Any) -> dict[str, Any]:
    given = {"measure": "area − matched, log p of own", "method": "resampling_plain"}
    return row("deletion", "whole trace", low, high, **given | more)


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [((0.1, 0.4), "supported"), ((-0.4, -0.1), "contradicted"), ((-0.1, 0.1), "undecided")],
)
def test_the_area_of_what_decides_beside_matched_sentences(ends: Any, verdict: str):
    other = deleted(-1, -0.9, method="mi")
    assert judged("read_is_decided", deleted(*ends), other)[0] == verdict


def test_what_to_run_is_said():
    for claim, name in (("answer_rests_on_trace", "sceptic"), ("read_is_decided", "deletion")):
        said = f"run python -m harness.validate results/r 'validate=[{name}]'"
        assert judged(claim) == ("not tested", said)
    other = judged("read_is_decided", deleted(0.1, 0.4, method="mi"))
    command = "python -m harness.validate results/r 'validate=[deletion]'"
    assert other == ("not tested", f"add method=[resampling_plain], then {command}")
