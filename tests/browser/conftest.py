"""Chromium, headless and without a network, on pages of synthetic runs."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.core import UserError
from harness.report.page import render
from harness.report.settings import Report
from tests.browser import opening
from tests.browser.opening import Opened, launched
from tests.harness.evident import add_evidence, add_forced, add_frames
from tests.harness.synthetic import HOSTILE, write_run

ROOT = Path(__file__).parents[2]
AXE = ROOT / "build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
CONF = Report(trace=None, dpi=50, example_traces=500, tracker=None)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><path d="M0 0h40v20z"/></svg>'


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with ExitStack() as stack:
        try:
            browser = stack.enter_context(launched())
        except UserError as missing:
            pytest.skip(str(missing))
        yield browser


@pytest.fixture
def opened(chromium: Any) -> Iterator[Any]:
    """A function that opens a report; at the end no page may have complained or gone elsewhere."""
    contexts, pages = [], []

    def open_page(path: Path, **options: Any) -> Opened:
        context = chromium.new_context(**{"viewport": {"width": 1366, "height": 800}} | options)
        contexts.append(context)
        found = opening.opened(context, path)
        pages.append((path, found))
        return found

    yield open_page
    for path, found in pages:
        assert found.errors == []
        assert found.elsewhere(path) == []
    for context in contexts:
        context.close()


def reported(run: Path) -> Path:
    (run / "plots").mkdir()
    (run / "plots" / "by_k.svg").write_text(SVG)
    return render(run, CONF)


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of an ordinary run."""
    run = add_evidence(write_run(tmp_path_factory.mktemp("browser") / "run"), draws=10)
    return reported(add_forced(add_frames(run, ("plan_generation", "active_computation"))))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run whose model wrote what it should not."""
    run = tmp_path_factory.mktemp("browser") / "hostile"
    return reported(add_evidence(write_run(run, n_problems=3, texts=HOSTILE), draws=5))


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core, which judges accessibility; npm keeps it under build/."""
    if not AXE.exists() and shutil.which("npm"):
        command = ["npm", "install", "--silent", "--prefix", str(AXE.parents[2]), "axe-core@4"]
        subprocess.run(command, check=False, capture_output=True, timeout=120)
    if not AXE.exists():
        pytest.skip("axe-core is not there and npm could not install it")
    return AXE.read_text(encoding="utf-8")
