"""The pages about the repository agree with it: versions, links, the index, the layers."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import harness
from harness.convert.card import machine_paths
from harness.store.folder import unchecked
from tests.contract.test_layers import ORDER

ROOT = Path(harness.__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def links(page: Path) -> list[Path]:
    """The files of the repository that a page links to."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)\s#]+)(?:#[^)\s]*)?\)", prose)
    return [(page.parent / target).resolve() for target in targets if "://" not in target]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_into_the_repository_leads_somewhere(page: Path):
    assert [str(file) for file in links(page) if not file.exists()] == []


def test_the_index_has_every_page_and_the_readme_has_the_index():
    pages = {page.resolve() for page in DOCS.rglob("*.md")} - {DOCS.resolve() / "README.md"}
    assert pages <= set(links(DOCS / "README.md"))
    named = {ROOT / "docs" / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"}
    assert {file.resolve() for file in named} <= set(links(ROOT / "README.md"))


def test_the_site_has_every_page_once():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    every = [page for group in nav for pages in group.values() for page in pages]
    named = [
        path for page in every for path in (page.values() if isinstance(page, dict) else [page])
    ]
    assert sorted(path for path in named if not path.startswith("reference/")) == sorted(
        str(page.relative_to(ROOT)) for page in PAGES
    )


def test_citation_and_changelog_are_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(citation)
    assert citation["version"] == PROJECT["version"]
    assert (citation["title"], citation["license"]) == (PROJECT["name"], PROJECT["license"])
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert next(h for h in headings if h != "Unreleased").split()[0] == PROJECT["version"]


def test_contributing_names_the_layers_in_their_order():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    cells = re.findall(r"^\| (`[^|]+`) \|", text, re.M)
    assert [tuple(re.findall(r"`(\w+)`", cell)) for cell in cells] == list(ORDER)


@pytest.mark.parametrize(("name", "most"), [("reference", 10_000_000), ("published", 3_000_000)])
def test_a_committed_run_is_small_whole_and_of_no_machine(name: str, most: int):
    run = ROOT / "results" / name
    assert machine_paths(run) == []
    assert {path.name for path in unchecked(run)} <= {"selftest.parquet"}
    assert len(harness.load(run).traces) == 20
    assert sum(path.stat().st_size for path in run.rglob("*") if path.is_file()) < most
