"""The page in a real browser: what is seen, clicked and typed."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from harness.report.format import decimal
from harness.report.page import document
from harness.report.page.viewer.payload import Payload
from tests.browser.conftest import CONF, Opened
from tests.harness.synthetic import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True}


def texts(page: Any, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()


def until(page: Any, expression: str) -> None:
    """Wait for a condition; the page's policy forbids the eval that Playwright would wait with."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {expression}")


def rows(page: Any) -> Any:
    """The sentences in the document, titles left out."""
    return page.locator(".row:not(.title)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_from_disk(opened: Any, report: Path, scheme: str):
    found: Opened = opened(report, color_scheme=scheme)
    assert "same sentences" in found.page.title()
    assert found.page.locator("#cells td[data-at]").count() > 20
    found.shot(f"top-{scheme}")
    found.page.locator("#figures > summary").click()
    found.page.locator("img[data-figure]").scroll_into_view_if_needed()
    until(found.page, "document.querySelector('img[data-figure]').naturalWidth > 0")
    found.page.locator("#viewer").scroll_into_view_if_needed()
    found.shot(f"viewer-{scheme}")


def test_the_matrix_switches_and_tells(opened: Any, report: Path):
    page = opened(report).page
    frame = pl.read_parquet(report.parent / "agreement.parquet")
    pair = frame.filter(a="resampling", b="attention", statistic="spearman")
    cell = "#cells td[aria-label^='resampling and attention']"
    for control, label in (("none", "raw"), ("position", "position")):
        page.locator("#switches label", has_text=label).first.click()
        value = pair.filter(control=control)["value"].item()
        assert page.locator(cell).inner_text() == f"{abs(value):.2f}".lstrip("0")
        page.locator(cell).hover()
        card = page.locator("#pair").inner_text()
        assert "resampling ~ attention" in card
        assert "12 problems, 24 traces" in card
        assert "Verdict: undecided" in card


def test_the_matrix_is_walked_with_the_keyboard(opened: Any, report: Path):
    page = opened(report).page
    first = page.locator("#cells td[tabindex='0']")
    assert first.count() == 1
    before = first.get_attribute("aria-label")
    first.focus()
    assert before.partition(":")[0].replace(" and ", " ~ ") in page.locator("#pair").inner_text()
    page.keyboard.press("ArrowRight")
    after = page.evaluate("document.activeElement.ariaLabel")
    assert after != before
    assert after.split(" and ")[0] == before.split(" and ")[0]
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.ariaLabel") == before
    page.keyboard.press("Escape")
    assert "Point at a cell" in page.locator("#pair").inner_text()


def box(page: Any, selector: str) -> dict[str, float]:
    found = page.locator(selector).bounding_box()
    return found | {"right": found["x"] + found["width"], "bottom": found["y"] + found["height"]}


@pytest.mark.parametrize("width", [1280, 1366, 1920])
def test_where_there_is_room_what_explains_stands_beside_and_hides_nothing(
    opened: Any, report: Path, width: int
):
    page = opened(report, viewport={"width": width, "height": 800}).page
    page.locator("#cells td[data-at]").first.hover()
    assert box(page, "#pair")["x"] >= box(page, ".field")["right"]
    rows(page).nth(2).click()
    page.locator("#panel blockquote").wait_for()
    panel, strips = box(page, "#panel"), box(page, "#list")
    assert panel["x"] >= strips["right"]
    assert panel["right"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_narrow_screen_the_pair_goes_when_the_pointer_does(opened: Any, report: Path):
    page = opened(report, viewport={"width": 1000, "height": 800}).page
    page.locator("#cells td[data-at]").first.hover()
    assert "~" in page.locator("#pair").inner_text()
    page.mouse.move(0, 0)
    assert page.locator("#pair").is_hidden()


def test_one_switch_moves_matrix_charts_and_tables(opened: Any, report: Path):
    page = opened(report).page
    watched = ["#cells", "#forest .drawing", "#moved .drawing", "#tree .drawing", "#beside"]
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    before = [page.locator(selector).inner_html() for selector in watched]
    page.locator("#switches label", has_text="raw").first.click()
    after = [page.locator(selector).inner_html() for selector in watched]
    assert all(x != y for x, y in zip(before, after, strict=True))
    assert "choose a control" in page.locator("#moved").inner_text()
    chosen = set(page.locator("#pairs th.chosen").all_inner_texts())
    assert chosen == {"raw"}
    page.select_option("#switches select", label="kendall")
    page.locator("#switches label", has_text="position").first.click()
    assert page.locator("#computed").inner_text() == "kendall is computed raw alone"


def test_an_address_shows_the_same_again(opened: Any, report: Path):
    page = opened(report).page
    page.locator("#switches label", has_text="raw").first.click()
    page.locator("#cells td[aria-label^='resampling and attention']").click()
    rows(page).nth(4).click()
    page.locator("#panel blockquote").wait_for()
    sentence = page.locator("#panel h3").inner_text()
    address = page.evaluate("location.hash")
    assert "pair=resampling%7Eattention" in address
    assert "control=none" in address
    again = opened(report.with_name(report.name)).page
    again.goto(report.as_uri() + address)
    again.reload()
    again.locator("#panel blockquote").wait_for()
    assert again.locator("#panel h3").inner_text() == sentence
    until(again, "document.documentElement.dataset.ready === 'yes'")
    top = "document.getElementById('viewer').getBoundingClientRect().top"
    assert again.evaluate(f"0 <= {top} && {top} < innerHeight / 2")
    assert again.locator("#switches input:checked").first.evaluate("e => e.value") == "0"
    assert again.locator("#cells td.picked").count() == 2
    assert again.locator("#names .picked").count() == 2


def test_texts_are_searched_and_methods_chosen_and_sorted(opened: Any, report: Path):
    page = opened(report).page
    page.fill("#search", "MUFFINS")
    texts_of = pl.read_parquet(report.parent / "sentences.parquet")["text"]
    n = texts_of.str.to_lowercase().str.contains("muffins").sum()
    until(page, f"document.getElementById('listed').value.startsWith('{n} sentences')")
    page.fill("#search", "")
    names = texts(page, "#names span")
    page.locator("#columns > summary").click()
    page.select_option("#order", "name")
    assert texts(page, "#names span") == sorted(names)
    page.locator("#boxes label", has_text="mi").first.locator("input").uncheck()
    assert "mi" not in texts(page, "#names span")
    page.click("#fewest")
    assert texts(page, "#names span") == []
    page.click("#every")
    assert sorted(texts(page, "#names span")) == sorted(names)


def test_the_graph_has_a_threshold_and_the_trace_its_curves(opened: Any, report: Path):
    page = opened(report).page
    rows(page).nth(2).click()
    panel = page.locator("#panel")
    chart = panel.locator(".along[role=img]")
    chart.locator("path.redrawn").wait_for(state="attached")
    n = int(pl.read_parquet(report.parent / "traces.parquet")["n_sentences"][0])
    for line in ("redrawn", "forced"):
        drawn = chart.locator(f"path.{line}").get_attribute("d")
        assert drawn.count("L") + drawn.count("M") == n + 1
    key = texts(page, "#panel .along-key li")
    assert [words.partition(",")[0] for words in key[:2]] == ["P(correct)", "P(right answer)"]
    assert f"{decimal(2 / n)} → {decimal(3 / n)}" in key[1]  # the third row is sentence 2
    slider = panel.locator("input[type=range]")
    slider.fill("0")
    every = panel.locator(".arcs path").count()
    slider.fill("1")
    assert 1 <= panel.locator(".arcs path").count() < every
    assert f"of {every} edges" in panel.locator(".dragged output").inner_text()


def test_a_click_enlarges_a_figure_that_is_whole(opened: Any, report: Path):
    page = opened(report).page
    page.locator("#figures > summary").click()
    plate = page.locator(".plate").first
    assert plate.evaluate("e => e.scrollHeight <= e.clientHeight + 1")
    plate.click()
    assert page.locator("#enlarged").is_visible()
    page.locator("#enlarged").click()
    assert page.locator("#enlarged").is_hidden()


def test_a_click_shows_what_the_model_wrote_instead(opened: Any, report: Path):
    found = opened(report)
    page = found.page
    row = rows(page).nth(2)
    row.click()
    panel = page.locator("#panel")
    panel.locator("h4", has_text="What the model wrote instead").wait_for()
    drawn = panel.inner_text()
    assert "10 rollouts written in its place, 10 that keep it (resample); a sample below." in drawn
    assert 1 <= panel.locator(".alternatives li").count() <= 12
    assert panel.locator("tbody th", has_text="resampling").count() == 1
    assert panel.locator(".arcs path").count() > 0
    assert panel.locator(".tokens span").count() > 3
    peaks = panel.locator(".tokens mark")
    assert f"Underlined: peaks (mi {peaks.count()})" in drawn
    assert "peak of mi" in peaks.first.get_attribute("title")
    heading = panel.locator("h3").inner_text()
    panel.locator("button[aria-label='Next sentence']").click()
    until(page, f"document.querySelector('#panel h3').innerText !== {heading!r}")
    found.shot("panel")
    page.keyboard.press("Escape")
    assert panel.is_hidden()
    assert page.evaluate("document.activeElement.id") == "list"


def test_what_is_shown_of_a_sentence_is_what_was_drawn(opened: Any, report: Path):
    page = opened(report).page
    rows(page).nth(3).click()
    page.locator("#panel .alternatives").first.wait_for()
    first = sorted((report.parent / "rollouts").iterdir())[0]
    drawn = pl.read_parquet(list(first.glob("*.parquet"))).filter(boundary=3)
    counted = dict(drawn["answer"].value_counts().iter_rows())
    told = {line for line in texts(page, "#panel p") if " led to " in line}
    names = {None: "no answer", "18": "18 ✓", "13": "13"}
    assert told == {f"{n} of 10 led to {names[answer]}" for answer, n in counted.items()}


def test_filters_and_disagreement(opened: Any, report: Path):
    page = opened(report).page
    every = page.locator("#listed").inner_text()
    assert (
        every
        == f"{pl.read_parquet(report.parent / 'sentences.parquet').height} sentences of 24 traces"
    )
    page.select_option("#correct", "1")
    assert page.locator("#listed").inner_text().endswith("of 12 traces")
    page.fill("#problem", "p3")
    assert page.locator("#listed").inner_text().endswith("of 1 traces")
    until(page, "document.getElementById('current').innerText.includes('p3-0')")
    page.select_option("#label", label="active computation")
    part = pl.read_parquet(report.parent / "sentences.parquet").filter(
        pl.col("trace_id") == "p3-0", pl.col("category") == "active_computation"
    )
    assert page.locator("#listed").inner_text() == f"{len(part)} sentences of 1 traces"
    page.click("#dispute")
    page.locator("#panel blockquote").wait_for()
    assert page.locator(".row[aria-selected='true']").count() == 1
    page.fill("#problem", "no such problem")
    assert page.locator("#listed").inner_text() == "0 sentences of 0 traces"
    assert page.locator("#dispute").is_disabled()


def test_the_list_is_walked_with_the_keyboard_and_holds_few_rows(opened: Any, report: Path):
    page = opened(report).page
    page.focus("#list")
    page.keyboard.press("ArrowDown")
    assert page.locator("#row-1[aria-selected='true']").count() == 1
    page.keyboard.press("End")
    last = int(page.get_attribute("#list", "aria-rowcount")) - 2
    assert page.get_attribute("#list", "aria-activedescendant") == f"row-{last}"
    assert page.locator(f"#row-{last}").is_visible()
    assert page.locator(".row").count() < 60
    page.keyboard.press("Enter")
    until(page, "document.activeElement.id === 'panel'")


def test_hostile_traces_are_inert(opened: Any, hostile: Path):
    page = opened(hostile).page
    shown = [text.strip() for text in HOSTILE]
    for i, text in enumerate(shown):
        rows(page).nth(i).click()
        until(page, f"document.querySelector('#panel h3')?.innerText === 'Sentence {i}'")
        quoted = page.evaluate("document.querySelector('#panel blockquote').textContent")
        rendered = page.locator("#panel blockquote .katex").count()  # as deep as the stack allows
        assert rendered or quoted == text.replace("\x00", "\ufffd").replace("\x1b", "\ufffd")
        assert not rendered or text.startswith("${{{")
        page.keyboard.press("Escape")
    inside = "#viewer script, #viewer img, #viewer a:not([href^='#'])"
    assert page.locator(inside).count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1366


def test_formulas_are_rendered_where_there_are_any(opened: Any, report: Path, hostile: Path):
    page = opened(report).page
    assert page.locator("#rows .katex").count() > 0
    assert page.locator("#rows math").first.text_content()
    loaded = "(font) => font.family.startsWith('KaTeX') && font.status === 'loaded'"
    until(page, f"[...document.fonts].some({loaded})")
    rows(page).nth(1).click()
    page.locator("#panel blockquote .katex").first.wait_for()


def test_a_trace_beside_the_page_is_read_when_it_is_wanted(
    opened: Any, report: Path, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(document, "Payload", lambda: Payload(room=0))
    for path in report.parent.iterdir():
        if not path.name.startswith("report"):
            (tmp_path / path.name).symlink_to(path)
    found = opened(document.render(tmp_path, CONF))
    rows(found.page).nth(1).click()
    found.page.locator("#panel .alternatives").first.wait_for()
    assert {url.rpartition("/")[2] for url in found.requests} == {"report.html", "report-data-1.js"}


def test_on_a_phone_nothing_is_cut_off(opened: Any, report: Path):
    found = opened(report, **PHONE)
    assert found.page.evaluate("document.documentElement.scrollWidth") <= 390
    found.shot("phone-top")
    found.page.locator("#viewer").scroll_into_view_if_needed()
    found.shot("phone-viewer")
    rows(found.page).nth(1).click()
    found.page.locator("#panel .alternatives").first.wait_for()
    found.shot("phone-panel")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(opened: Any, report: Path, axe: str, scheme: str):
    page = opened(report, color_scheme=scheme).page
    rows(page).nth(1).click()
    page.locator("#panel .alternatives").first.wait_for()
    page.evaluate(axe)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
    told = {v["id"]: [node["html"][:120] for node in v["nodes"][:3]] for v in serious}
    assert not told, json.dumps(told, indent=1)


def test_it_prints(opened: Any, report: Path):
    page = opened(report).page
    page.emulate_media(media="print")
    assert page.locator("#cells").is_visible()
    assert page.locator("#viewer").is_hidden()
    assert page.pdf().startswith(b"%PDF")
