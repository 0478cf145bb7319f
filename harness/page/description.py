"""What each method is, in the words of its own docstring."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import yaml

from harness import baselines
from harness.catalogue import idea, source, written


@dataclass(frozen=True)
class Description:
    """A method in words; empty where its code is not installed here."""

    idea: str
    text: str
    source: str
    options: Mapping[str, str]


UNKNOWN = Description("", "", "", {})


def describe(name: str, nodes: Mapping[str, Any]) -> Description:
    """A method by the options the run was made with, else by those of its yaml in conf/method."""
    node = nodes.get(name) or packaged(name)
    text = document(node["_target_"]) if node else baseline(name)
    options = {key: written(value) for key, value in node.items() if key != "_target_"}
    return Description(idea(text), text, source(text), options) if text else UNKNOWN


def packaged(name: str) -> dict[str, Any]:
    """The node that ships under this name, empty if none does."""
    path = files("conf") / "method" / f"{name}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))[name] if path.is_file() else {}


def document(target: str) -> str:
    """The docstring of a class by its address, empty where its module is not installed."""
    module, _, name = target.rpartition(".")
    if find_spec(module.partition(".")[0]) is None or find_spec(module) is None:
        return ""
    return inspect.getdoc(getattr(import_module(module), name, None)) or ""


def baseline(name: str) -> str:
    """The docstring of a baseline, empty if the name is none's."""
    function = getattr(baselines, name, None)
    return (inspect.getdoc(function) or "") if inspect.isfunction(function) else ""
