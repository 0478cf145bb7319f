from pathlib import Path

import pytest

from harness.claims import Part, claims_frame
from harness.report.page import render
from harness.report.page.claims import claims
from harness.report.settings import Report
from harness.store.files import write_frame
from tests.harness.claims.made import claim, frames
from tests.harness.claims.test_table import NO, YES
from tests.harness.report.page.test_document import Document
from tests.harness.synthetic import write_run

BESIDE = Part("a ~ d", -2.5, -3.2, -1.0, 20, decides=False)
IDLE = Part("a ~ e", decides=False, missing="add method=[e]")
ABSENT = Part("", missing="add method=[x]")


def written(run: Path, **given: tuple[Part, ...]) -> Path:
    frame = claims_frame({name: claim(*parts) for name, parts in given.items()}, frames({}))
    write_frame(run / "claims.parquet", frame)
    return run


def test_a_claim_has_a_line_a_part_all_to_one_scale(tmp_path: Path):
    (row,) = claims(written(tmp_path, so=(YES, BESIDE, IDLE)))
    decides, beside = row["lines"]
    assert (decides["name"], decides["text"], decides["interval"]) == ("a ~ b", ".70", "[.55, .80]")
    assert (decides["above"], decides["below"]) == (0.5, 0.3)
    assert (beside["above"], beside["below"]) == (None, None)
    assert decides["span"] == beside["span"] == 4
    assert row["idle"] == [("a ~ e", "add method=[e]")]


def test_what_was_not_tested_comes_last(tmp_path: Path):
    found = claims(written(tmp_path, first=(ABSENT,), second=(NO,)))
    assert [row["claim"] for row in found] == ["second", "first"]
    assert found[1]["lines"] == []
    (alone,) = found[0]["lines"]
    assert (alone["effect"], alone["span"]) == (0.2, 1.0)


def test_a_run_without_the_frame_shows_none(tmp_path: Path):
    assert claims(tmp_path) == []


@pytest.fixture
def html(tmp_path: Path) -> str:
    run = written(write_run(tmp_path / "run"), yes=(YES, BESIDE), no=(YES, NO), absent=(ABSENT,))
    return render(run, Report(trace=None, dpi=50, example_traces=1, tracker=None)).read_text(
        encoding="utf-8"
    )


def test_the_page_opens_with_them(html: str):
    assert html.index('id="claims"') < html.index(
        'id="families"' if 'id="families"' in html else 'id="agreement"'
    )
    assert "Of 3 claims of the literature" not in html  # stands beside families, which it lacks
    assert html.count('<span class="chip">supported</span>') == 1
    assert html.count('<span class="chip">contradicted</span>') == 1
    assert html.count('<span class="chip">not tested</span>') == 1
    assert "To test it: add method=[x]" in html
    assert (html.count("also after Holm"), html.count("not after Holm")) == (2, 0)
    lines = [a for tag, a in Document(html).elements if a.get("class") == "line"]
    assert len(lines) == 4
    assert sum("data-above" in line for line in lines) == 3
    said = "supported in deploys, contradicted or undecided in style"
    assert f"In worlds where the answer is known it has to say: {said}." in html
