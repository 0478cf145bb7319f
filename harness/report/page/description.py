"""What each method is, in the words of its own docstring."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import yaml

from harness.analysis import baselines
from harness.core.docstrings import idea, source, written

TRUTH = "What each sentence does to the answer, known exactly for these problems."


@dataclass(frozen=True)
class Description:
    """A method in words; all empty where its code is not installed here."""

    idea: str
    text: str
    source: str
    options: Mapping[str, str]


UNKNOWN = Description("", "", "", {})


def described(methods: Sequence[str], nodes: Mapping[str, Any]) -> dict[str, Description]:
    """Methods by the options the run was made with, else by those of their yaml in conf/method.

    Of several with one docstring the others say in what they differ from the first.
    """
    found: dict[str, Description] = {}
    first: dict[str, str] = {}
    for name in methods:
        node = nodes.get(name) or packaged(name)
        text = document(node["_target_"]) if node else known(name)
        options = {key: written(value) for key, value in node.items() if key != "_target_"}
        of = first.setdefault(text, name)
        told = idea(text) if of == name else difference(of, found[of].options, options)
        found[name] = Description(told, text, source(text), options) if text else UNKNOWN
    return found


def difference(first: str, there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """In which options a method differs from another."""
    changed = [f"{key}: {value}" for key, value in here.items() if there.get(key) != value]
    return f"{first} with {', '.join(changed)}" if changed else f"{first} by another name"


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


def known(name: str) -> str:
    """What a method without options is: a baseline by its docstring, the truth; else empty."""
    function = getattr(baselines, name, None)
    if inspect.isfunction(function):
        return inspect.getdoc(function) or ""
    return TRUTH if name == "truth" else ""
