"""What each method is, in the words of its own docstring."""

import ast
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.analysis import baselines
from harness.core.docstrings import idea, source, written

SHIPPED = Path(__file__).parents[3]  # the folder in which harness, methods and conf lie
ADDRESS = re.compile(r"methods\.([a-z0-9_]+)\.([A-Za-z0-9_]+)")
TRUTH = "What each sentence does to the answer, known exactly for these problems."


Status = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Description:
    """A method in words; all empty where nobody said what it is."""

    idea: str
    text: str
    source: str
    options: Mapping[str, str]


UNKNOWN = Description("", "", "", {})


def described(
    methods: Sequence[str], status: Status, nodes: Mapping[str, Any]
) -> dict[str, Description]:
    """Methods by what their status says, kept when the run was made; nothing is imported.

    Runs that kept no descriptions: by the options in run.yaml, else those of the yaml in
    conf/method, and the docstring where the detector ships with this package. Of several with one
    docstring the others say in what they differ from the first.
    """
    found: dict[str, Description] = {}
    first: dict[str, str] = {}
    for name in methods:
        text, options = kept(status.get(name, {})) or older(name, nodes)
        of = first.setdefault(text, name)
        summary = idea(text) if of == name else difference(of, found[of].options, options)
        found[name] = Description(summary, text, source(text), options) if text else UNKNOWN
    return found


def kept(status: Mapping[str, Any]) -> tuple[str, dict[str, str]] | None:
    """Docstring and options as a status has them."""
    about = status.get("about")
    if not isinstance(about, dict) or not isinstance(about.get("options"), dict):
        return None
    options = {str(key): str(value) for key, value in about["options"].items()}
    return str(about.get("text", "")), options


def older(name: str, nodes: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Docstring and options of a method whose status has neither."""
    node: Any = nodes.get(name) or packaged(name)
    if not isinstance(node, Mapping) or not node:
        return known(name), {}
    options = {str(key): written(value) for key, value in node.items() if key != "_target_"}
    return document(str(node.get("_target_"))), options


def difference(first: str, there: Mapping[str, str], here: Mapping[str, str]) -> str:
    """In which options a method differs from another."""
    changed = [f"{key}: {value}" for key, value in here.items() if there.get(key) != value]
    return f"{first} with {', '.join(changed)}" if changed else f"{first} by another name"


def packaged(name: str) -> Mapping[str, Any]:
    """The node that ships under this name, empty if none does."""
    path = SHIPPED / "conf" / "method" / f"{name}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))[name] if path.is_file() else {}


def document(target: str) -> str:
    """The docstring of a class of methods/, read from its source; empty for any other class."""
    place = ADDRESS.fullmatch(target)
    path = SHIPPED / "methods" / f"{place[1]}.py" if place else SHIPPED
    if place is None or not path.is_file():
        return ""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == place[2]:
            return ast.get_docstring(node) or ""
    return ""


def known(name: str) -> str:
    """What a method without options is: a baseline by its docstring, the truth; else empty."""
    function = getattr(baselines, name, None)
    if inspect.isfunction(function):
        return inspect.getdoc(function) or ""
    return TRUTH if name == "truth" else ""
