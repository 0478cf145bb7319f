"""A page of hostile texts in Chromium: nothing runs, nothing leaves, every row opens."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.report.page import render
from harness.report.settings import Report
from tests.browser.opening import Opened, launched, opened
from tests.campaign.page.hostile import hostile_run

GOOD = "inert"
CONF = Report(trace=None, dpi=20, example_traces=500, tracker=None)
OWNED = """window.owned !== undefined || document.querySelector('base,form[action],' +
  '[onerror],[onload],[onclick],[onfocus],[ontoggle],a[href^="javascript"]') !== null"""
SHOWN = """() => ({
  title: document.querySelector('#panel h3')?.textContent,
  text: document.querySelector('#panel blockquote')?.textContent,
  formulas: document.querySelectorAll('#panel blockquote .katex').length,
  made: [...document.querySelectorAll('#viewer *, #panel *')].map((e) => e.localName),
})"""
NEVER = {"script", "iframe", "object", "embed", "meta", "base", "link", "video", "img"}


def campaign(place: Path, n: int) -> Iterator[str]:
    """The outcome of each of n sentences, opened one after another, and of the page as a whole."""
    page = render(hostile_run(place, n), CONF)
    with launched() as browser:
        found = opened(browser.new_context(viewport={"width": 1366, "height": 800}), page)
        found.page.focus("#list")
        for _ in range(n):
            yield step(found)
        whole = [*found.errors, *found.elsewhere(page)]
    yield f"said or asked for: {whole[:3]}" if whole else GOOD


def step(found: Opened) -> str:
    """Go down by one row, open it and look at what is there."""
    before = found.page.evaluate(SHOWN)
    found.page.focus("#list")
    found.page.keyboard.press("ArrowDown")
    found.page.keyboard.press("Enter")
    at = found.page.evaluate("document.querySelector('.row[aria-selected=true]')?.id")
    now = until_other(found.page, before)
    if now is None:
        return f"row {at} does not open"
    if found.page.evaluate(OWNED) or NEVER & set(now["made"]):
        return f"row {at} runs something"
    return GOOD


def until_other(page: Any, before: dict[str, Any]) -> dict[str, Any] | None:
    """What the panel shows once it shows another sentence; None where it never does."""
    for _ in range(200):
        now: dict[str, Any] = page.evaluate(SHOWN)
        if now["text"] is not None and now["title"] != before["title"]:
            return now
        page.wait_for_timeout(20)
    return None
