"""Chromium, headless and without a network, on pages of synthetic runs."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.report.page import render
from harness.report.settings import Report
from tests.harness.evident import add_evidence, add_frames
from tests.harness.synthetic import HOSTILE, write_run

ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "build" / "screenshots"
AXE = ROOT / "build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
CONF = Report(trace=None, dpi=50, example_traces=500)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><path d="M0 0h40v20z"/></svg>'
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars")


@dataclass
class Opened:
    """A page in the browser with what it said and asked for."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def shot(self, name: str) -> None:
        """Keep a picture of the window under build/screenshots."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no chromium on the path; on Debian: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=list(OPTIONS))
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any) -> Iterator[Any]:
    """A function that opens a report; at the end no page may have complained or gone elsewhere."""
    contexts, pages = [], []

    def open_page(path: Path, **options: Any) -> Opened:
        context = chromium.new_context(**{"viewport": {"width": 1366, "height": 800}} | options)
        contexts.append(context)
        found = Opened(context.new_page())
        pages.append((path, found))
        found.page.on("console", lambda m: found.errors.append(m.text))
        found.page.on("pageerror", lambda e: found.errors.append(str(e)))
        found.page.on("request", lambda r: found.requests.append(r.url))
        found.page.goto(path.as_uri())
        found.page.wait_for_selector("html[data-ready]", timeout=20_000)
        return found

    yield open_page
    for path, found in pages:
        assert found.errors == []
        beside = (path.parent.as_uri(), "data:", "blob:")
        assert [url for url in found.requests if not url.startswith(beside)] == []
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
    return reported(add_frames(run, ("plan_generation", "active_computation")))


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
