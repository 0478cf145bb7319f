"""Every claim that ships: its yaml, its test, and what it says of a run that lacks everything."""

import re
from copy import deepcopy
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import UserError
from harness.claims import claims, claims_frame
from harness.claims.claim import Test as ClaimTest
from harness.core.config import flat
from tests.harness.claims.made import frames

ROOT = Path(__file__).parents[2]
IMPORTS = """
from dataclasses import dataclass
import polars as pl
from harness.agreement.inference import interval
from harness.claims.claim import Part, known, lacking
"""
PATHS = sorted(Path(str(files("conf") / "claim")).glob("*.yaml"))
NAMES = [path.stem for path in PATHS]
each = pytest.mark.parametrize("path", PATHS, ids=NAMES)


def node(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_all_ship_and_are_tested_by_default():
    assert sorted(claims(None)) == NAMES
    assert {"convergence", "one_phenomenon", "rl_at_anchors"} <= set(NAMES)


@each
def test_a_yaml_holds_one_key_its_own_name(path: Path):
    assert list(node(path)) == [path.stem]


@each
def test_it_is_a_sentence_with_a_source_and_thresholds_in_order(path: Path):
    claim = claims(node(path))[path.stem]
    assert re.fullmatch(r"[A-Z].*[a-z]\.", claim.sentence)
    assert "arXiv" in claim.source
    assert claim.test.unit


@each
def test_thresholds_the_wrong_way_round_are_refused(path: Path):
    given = node(path)
    given[path.stem]["contradicted_below"] = given[path.stem]["supported_from"] + 1
    with pytest.raises(UserError, match=rf"^claim\.{path.stem}\.contradicted_below: .* above"):
        claims(given)


@each
def test_what_it_needs_can_be_had_and_is_what_it_asks_a_run_for(path: Path):
    claim = claims(node(path))[path.stem]
    for group, names in (("method", claim.needs.method), ("validate", claim.needs.validate)):
        assert set(names) <= {p.stem for p in (ROOT / "conf" / group).glob("*.yaml")}
    (missing,) = claims_frame(claims(node(path)), frames({}))["missing"].head(1)
    asked = {
        name for names in re.findall(r"method=\[([^]]*)", missing) for name in names.split(",")
    }
    assert asked <= set(claim.needs.method)
    assert ("harness.dynamics" in missing) is claim.needs.dynamics
    assert ("harness.validate" in missing) is bool(claim.needs.validate)


@each
def test_the_experiment_question_has_all_that_it_needs(path: Path):
    needs = claims(node(path))[path.stem].needs
    text = (ROOT / "conf" / "experiment" / "question.yaml").read_text(encoding="utf-8")
    asked = yaml.safe_load(text)
    groups = {
        key.split()[-1].lstrip("/"): names
        for each in asked["defaults"]
        for key, names in each.items()
    }
    assert set(needs.method) <= set(groups["method"])
    assert set(needs.validate) <= set(groups["validate"])
    assert asked["dynamics"]["with_run"] or not needs.dynamics


@each
def test_its_worlds_are_there_and_none_twice(path: Path):
    truths = claims(node(path))[path.stem].worlds
    there = {p.stem.removeprefix("world-") for p in (ROOT / "conf" / "model").glob("world-*.yaml")}
    assert {truth.world for truth in truths} <= there
    assert len({(truth.world, truth.part) for truth in truths}) == len(truths)


@each
def test_every_key_is_needed_and_no_other_is_taken(path: Path):
    given = node(path)
    keys = [key for key in flat(given) if "_target_" not in key]
    for key in keys:
        changed = deepcopy(given)
        *way, last = key.split(".")
        inner = changed
        for part in way:
            inner = inner[part]
        del inner[last]
        with pytest.raises(UserError, match=rf"^claim\.{re.escape(key)}: missing"):
            claims(changed)
    given[path.stem]["tpyo"] = 1
    with pytest.raises(UserError, match=rf"^claim\.{path.stem}\.tpyo: no such key"):
        claims(given)


@each
def test_a_run_without_anything_says_what_to_add(path: Path):
    found = claims_frame(claims(node(path)), frames({}))
    head = found.row(0, named=True)
    assert (head["claim"], head["part"], head["verdict"]) == (path.stem, "", "not tested")
    assert re.search(r"add method=\[|^(add .*|run )python -m harness\.\w+", head["missing"])
    assert head["effect"] is None


@each
def test_its_test_says_what_it_does(path: Path):
    module, _, name = node(path)[path.stem]["test"]["_target_"].rpartition(".")
    assert module.startswith("harness.claims.")
    assert (getattr(import_module(module), name).__doc__ or "").count("\n") > 2


def test_the_example_of_the_docs_is_a_test():
    text = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(IMPORTS + code, names)
    made = names["Late"]("x")
    assert isinstance(made, ClaimTest)
    scores = {f"p{i}-0": [0.0, 0.0, 0.0, 1.0] for i in range(12)}
    (part,) = made.parts(frames({"x": scores}))
    assert (part.effect, part.n_problems) == (0.5, 12)
    (part,) = made.parts(frames({}))
    assert part.missing == "add method=[x]"
