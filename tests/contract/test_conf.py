"""Every yaml of every other group composes and builds; the folders of conf are the list."""

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_module

import conf
from harness import UserError
from harness.cli.settings import settings
from harness.core.config import plain

pytestmark = pytest.mark.slow

CONF = Path(conf.__file__).parent
APART = {
    "method",
    "claim",
    "validate",
    "convert",
    "hydra",
}  # contracts of their own; Hydra's are Hydra's
CHOICES = [
    (folder.name, path.stem)
    for folder in sorted(CONF.iterdir())
    if folder.is_dir() and folder.name not in APART
    for path in sorted(folder.glob("*.yaml"))
]
NAMED = [(group, name) for group, name in CHOICES if group in ("problems", "model")]
NODES = [(group, name) for group, name in CHOICES if group != "experiment"]


@cache
def composed(group: str, name: str) -> Mapping[str, Any]:
    choice = f"+experiment={name}" if group == "experiment" else f"{group}={name}"
    with initialize_config_module("conf", version_base="1.3"):
        return plain(compose("config", [choice]))


def keys(node: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The dotted keys of a node that its dataclasses declare; free mappings are values."""
    found: list[str] = []
    for key, value in node.items():
        if key != "_target_":
            found.append(prefix + key)
            if isinstance(value, Mapping) and key == "screen":
                found += keys(value, f"{prefix}{key}.")
    return found


def without(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    changed: Any = deepcopy(dict(values))
    *path, last = key.split(".")
    node = changed
    for part in path:
        node = node[part]
    del node[last]
    return changed


def test_each_group_of_the_pipeline_has_a_yaml():
    groups = {group for group, _ in CHOICES}
    assert groups >= {"problems", "model", "engine", "sampling", "agreement", "report"}


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_it_builds(group: str, name: str):
    values = deepcopy(dict(composed(group, name)))
    if (group, name) == ("model", "local"):
        with pytest.raises(UserError, match=r"^model\.path: which model"):
            settings(values)
        values["model"] = {**values["model"], "path": "somewhere"}
    assert settings(values).run.detectors


@pytest.mark.parametrize(("group", "name"), NAMED)
def test_its_name_is_that_of_its_file(group: str, name: str):
    assert composed(group, name)[group]["name"] == name


@pytest.mark.parametrize(("group", "name"), NODES)
def test_an_unknown_key_is_named(group: str, name: str):
    values = deepcopy(dict(composed(group, name)))
    values[group] = {**values[group], "tpyo": 1}
    with pytest.raises(UserError, match=rf"^{group}\.tpyo: no such key"):
        settings(values)


@pytest.mark.parametrize(("group", "name"), NODES)
def test_each_missing_key_is_named(group: str, name: str):
    values = composed(group, name)
    for key in keys(values[group], f"{group}."):
        with pytest.raises(UserError, match=rf"^{key}: missing"):
            settings(without(values, key))
