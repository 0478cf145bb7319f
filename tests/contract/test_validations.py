"""Every validation that ships: its yaml, its keys, and what it says of itself."""

import re
from copy import deepcopy
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from harness import UserError
from harness.cli.validation import interventions
from harness.core import Evidence, Rollouts
from harness.core.config import flat
from harness.interventions.validation.intervention import Intervention
from harness.interventions.validation.results import dressed
from harness.store import schema
from tests.harness.interventions.made import AGREEMENT, trace

ROOT = Path(__file__).parents[2]
PATHS = sorted(Path(str(files("conf") / "validate")).glob("*.yaml"))
each = pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])


def node(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@each
def test_a_yaml_holds_one_key_its_own_name(path: Path):
    assert list(node(path)) == [path.stem]
    module, _, name = node(path)[path.stem]["_target_"].rpartition(".")
    assert module == f"harness.interventions.{path.stem}"
    assert (getattr(import_module(module), name).__doc__ or "").count("\n") > 2


@each
def test_every_key_is_needed_and_no_other_is_taken(path: Path):
    given = node(path)
    for key in [key for key in flat(given) if "_target_" not in key]:
        changed = deepcopy(given)
        *way, last = key.split(".")
        inner = changed
        for part in way:
            inner = inner[part]
        del inner[last]
        with pytest.raises(UserError, match=rf"^validate\.{re.escape(key)}: missing"):
            interventions(changed)
    given[path.stem]["tpyo"] = 1
    with pytest.raises(UserError, match=rf"^validate\.{path.stem}\.tpyo: no such key"):
        interventions(given)


def test_the_example_of_the_docs_is_an_intervention():
    text = (ROOT / "docs" / "interventions.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    made, one = names["Restart"](2), trace("p", [None] * 4)
    assert isinstance(made, Intervention)
    wanted = made.wants(one, Evidence(2, "", ()))
    right = {0: [True, False], 2: [True, True]}
    assert [draw.boundary for draw in wanted] == [*right]
    drawn = {
        ("restart", k): Rollouts(np.arange(2), ("1", "1"), np.array(each), ("", ""))
        for k, each in right.items()
    }
    rows = made.rows(one, Evidence(2, "", (), rollouts=drawn))
    known = {"trace_id": "p#0", "problem_id": "p", "fold": None}
    summary = made.summary(dressed(rows, schema.VALIDATION, known), AGREEMENT)
    assert summary["value"].item() == 0.5


def test_what_is_no_intervention_is_refused():
    with pytest.raises(UserError, match=r"^validate\.x\._target_: Edit is no intervention"):
        interventions({"x": {"_target_": "harness.core.Edit", "start": 0, "stop": 0, "text": ""}})
