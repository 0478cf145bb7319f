"""Chromium, headless and without a network; what a page says, asks for and would run."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core import UserError

OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--hide-scrollbars")
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"


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

    def elsewhere(self, path: Path) -> list[str]:
        """Requests for anything but what lies beside the page."""
        beside = (path.parent.as_uri(), "data:", "blob:")
        return [url for url in self.requests if not url.startswith(beside)]


@contextmanager
def launched() -> Iterator[Any]:
    """The browser; raises UserError where there is none."""
    try:
        from playwright import sync_api as playwright
    except ImportError:
        raise UserError("playwright is not installed") from None
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise UserError("no chromium on the path; on Debian: apt-get install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=list(OPTIONS))
        yield browser
        browser.close()


def opened(context: Any, path: Path) -> Opened:
    """A page of a browser's context, once it is ready."""
    found = Opened(context.new_page())
    found.page.on("console", lambda m: found.errors.append(m.text))
    found.page.on("pageerror", lambda e: found.errors.append(str(e)))
    found.page.on("dialog", lambda d: found.errors.append(f"dialog {d.message}"))
    found.page.on("request", lambda r: found.requests.append(r.url))
    found.page.goto(path.as_uri())
    found.page.wait_for_selector("html[data-ready]", timeout=20_000)
    return found
