"""The site of `make docs`: every page where it lies in the repository, and the docstrings."""

import ast
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = ("*.md", "docs/**/*.md")
SHOWN = ("docs/*.png", "examples/*.ipynb", "results/*/plots/*.png", "results/*/selftest/*.png")
SHOWN += ("results/*/report.html",)
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s#]+)(?:#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """The files of the site by their paths in the repository, so that links between them hold."""
    kept = [file for file in files if file.src_dir != config.docs_dir]
    for path in sorted(path for pattern in (*PAGES, *SHOWN) for path in ROOT.glob(pattern)):
        place = path.relative_to(ROOT).as_posix()
        kept.append(File.generated(config, place, abs_src_path=str(path)))
    for name, page in {"harness": _nouns(), "methods": _detectors()}.items():
        kept.append(File.generated(config, f"reference/{name}.md", content=page))
    return Files(kept)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """The page without its links to what is in the repository and not on the site."""

    def link(found: re.Match[str]) -> str:
        place = posixpath.join(posixpath.dirname(page.file.src_uri), found[2])
        place = posixpath.normpath(place)
        there = files.get_file_from_path(place) is not None
        return found[1] if not there and (ROOT / place).exists() else found[0]

    return LINK.sub(link, markdown)


def _nouns() -> str:
    """A page of the names that `harness` exports."""
    tree = ast.parse((ROOT / "harness" / "__init__.py").read_text(encoding="utf-8"))
    every = [n for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0])]
    names = next(ast.literal_eval(n.value) for n in every if ast.unparse(n.targets[0]) == "__all__")
    return "# What `harness` exports\n\n" + "\n".join(f"::: harness.{name}\n" for name in names)


def _detectors() -> str:
    """A page of the detectors' modules."""
    names = sorted(path.stem for path in (ROOT / "methods").glob("[a-z]*.py"))
    return "# Detectors\n\n" + "\n".join(f"::: methods.{name}\n" for name in names)
