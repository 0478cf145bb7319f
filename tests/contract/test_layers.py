"""Where a package lies says what it may import: what lies before it in the order, never after.

`__init__.py` of the top and `__main__.py` are exempt: they hand on names and put parts together.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness

ROOT = Path(harness.__file__).parent
# From the ground up. A package of a line may import those of earlier lines and, within its line,
# those to the left of it.
ORDER = (
    ("core",),
    ("text", "statistics"),
    ("store",),
    ("problems", "models"),
    ("engines",),
    ("evidence",),
    ("run",),
    ("agreement", "analysis"),
    ("interventions", "series"),
    ("claims",),
    ("report",),
    ("cli",),
    # the commands
    (
        "methods",
        "organism",
        "plan",
        "selftest",
        "convert",
        "compare",
        "validate",
        "dynamics",
        "schedules",
    ),
)
FLOOR = {name: floor for floor, name in enumerate(name for line in ORDER for name in line)}
MOST_FILES = 12


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Line and package of harness of every import in a file, wherever it stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "harness":
            names = [f"harness.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            if top == "harness" and rest:
                yield node.lineno, rest.partition(".")[0]
            elif top in ("methods", "conf"):
                yield node.lineno, top + "/"


def upwards(package: str, source: str) -> list[str]:
    """The imports of a file in `package` that point to a later package, or out of the harness."""
    return [
        f"line {line}: {package} imports {name}"
        for line, name in imports(source)
        if name not in FLOOR or FLOOR[name] > FLOOR[package]
    ]


FILES = [
    path
    for path in sorted(ROOT.rglob("*.py"))
    if path.name != "__main__.py" and path != ROOT / "__init__.py"
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path):
    package = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert upwards(package, path.read_text()) == []


@pytest.mark.parametrize(
    "line",
    [
        "from harness.report.build import report",
        "import harness.cli.main",
        "def late():\n    from harness.run import job",
        "from harness.nowhere import thing",
        "from methods.mi import MI",
    ],
)
def test_an_import_upwards_is_found(line: str):
    assert len(upwards("store", f"from harness.core import Trace\n{line}\n")) == 1


def test_every_package_has_its_place():
    there = {path.name.removesuffix(".py") for path in ROOT.iterdir() if path.name[0] != "_"}
    assert there - {"py.typed"} <= set(FLOOR)


def test_every_package_but_the_organism_is_type_checked_as_the_tests_run():
    """The organism's small functions run by the million; they have a test of their own."""
    conf = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["tool"]["pytest"]
    option = conf["ini_options"]["addopts"].partition("--jaxtyping-packages=")[2].split()[0]
    expected = {f"harness.{name}" for name in FLOOR} - {"harness.organism"}
    assert set(option.split(",")) == expected | {"methods", "beartype.beartype"}


def test_no_folder_is_crowded():
    for folder in {path.parent for path in FILES}:
        there = [
            p.name for p in folder.glob("*.py") if p.name not in ("__init__.py", "__main__.py")
        ]
        assert len(there) <= MOST_FILES, f"{folder.relative_to(ROOT)}: {sorted(there)}"
