import json
import re
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from shutil import copytree

import polars as pl
import pytest
from rich.console import Console

from harness import schema
from harness.config import build
from harness.findings import findings, pairs, read_under
from harness.page import Cell, render
from harness.plots import Report, draw
from harness.plots.source import read
from harness.summary import summary
from harness.types import UserError
from tests.harness.synthetic import HOSTILE, write_run

CONF = Report(trace=None, dpi=50, example_traces=2)
VOID = {"meta", "img", "col", "br"}


class Document(HTMLParser):
    """What a browser would make of the page: elements, attributes and text; tags must balance."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.sentences: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if ("class", "sentence") in attrs:
            self.sentences.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] == ["td"] and self.elements[-1][1].get("class") == "sentence":
            self.sentences[-1] += data


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_run(tmp_path_factory.mktemp("page") / "run")
    draw(folder, CONF)
    render(folder, CONF)
    return folder


@pytest.fixture(scope="module")
def hostile(run: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write_run(tmp_path_factory.mktemp("page") / "<i>run", n_problems=3, texts=HOSTILE)
    return page(folder, run)


def page(folder: Path, drawn: Path) -> str:
    """The page of a run with the figures of another: drawing them takes seconds."""
    copytree(drawn / "plots", folder / "plots")
    return render(folder, CONF).read_text(encoding="utf-8")


def agreement(rows: list[dict]) -> pl.DataFrame:
    full = {"model": "m", "statistic": "spearman", "control": "none", "n_problems": 12}
    return pl.DataFrame([full | row for row in rows], schema=schema.AGREEMENT)


def test_the_page_loads_and_runs_nothing(hostile: str):
    document = Document(hostile)
    policy = next(a["content"] for t, a in document.elements if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")
    tags = {tag for tag, _ in document.elements}
    assert not tags & {"script", "iframe", "object", "embed", "link", "form", "i", "svg"}
    for _, attributes in document.elements:
        assert not [name for name in attributes if name.startswith("on")]
        assert re.match(
            r"data:image/svg\+xml;base64,", attributes.get("src") or "data:image/svg+xml;base64,"
        )
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in hostile
    assert "@import" not in hostile


def test_hostile_sentences_arrive_as_text(hostile: str):
    shown = Document(hostile).sentences
    expected = [text.replace("\x00", "\ufffd").replace("\x1b", "\ufffd") for text in HOSTILE]
    assert shown[: len(HOSTILE)] == expected
    assert "overflow-wrap: anywhere" in hostile
    assert "unicode-bidi: isolate" in hostile


def test_no_character_that_a_page_may_not_hold(hostile: str):
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]", hostile)
    assert "no sentence before &lt;/think&gt; \ufffd" in hostile


def test_failures_are_told_not_hidden(run: Path):
    html = (run / "report.html").read_text(encoding="utf-8")
    assert "model toy has no base checkpoint &lt;b&gt;" in html
    counts = dict(re.findall(r"<dt>([^<]*)</dt><dd[^>]*>([\d,]+)</dd>", html))
    assert counts["detectors failed"] == "1"
    assert counts["traces that a detector failed on"] == "3"
    assert counts["problems skipped"] == "1"
    assert counts["problems"] == "12"
    assert counts["traces, 12 correct"] == "24"


def test_every_sentence_of_an_example_has_a_cell_a_method(run: Path):
    html = (run / "report.html").read_text(encoding="utf-8")
    example = html.split('<table class="lines">')[1].split("</table>")[0]
    source = read(run)
    n_methods = source.scores["method"].n_unique()
    for line in example.split('<tr><td class="number">')[1:]:
        assert line.count("data-method=") == n_methods
    assert example.count('<td class="none"') > 0


def test_an_undefined_score_is_shown_as_undefined():
    assert Cell("m", None, None, top=False).text == "–"
    shown = {
        0.0: "0",
        0.0042: "4e−3",
        1.5: "1.50",
        -0.126: "−0.13",
        7.0: "7",
        17.4: "17",
        25000.0: "2e4",
    }
    assert {v: Cell("m", v, 0.5, top=False).text for v in shown} == shown


def test_rendering_again_gives_the_same_page(run: Path):
    before = (run / "report.html").read_bytes()
    assert render(run, CONF).read_bytes() == before
    assert not list(run.glob("*.part"))


def test_a_run_without_figures_or_provenance_is_named(run: Path, tmp_path: Path):
    folder = write_run(tmp_path / "run", n_problems=1)
    with pytest.raises(UserError, match=r"plots/agreement\.svg"):
        render(folder, CONF)
    (folder / "run.yaml").unlink()
    with pytest.raises(UserError, match=r"run\.yaml"):
        page(folder, run)


def test_a_detector_with_a_status_and_no_row_is_still_listed(run: Path, tmp_path: Path):
    folder = write_run(tmp_path / "run", n_problems=1)
    status = json.loads((folder / "status" / "mi.json").read_text()) | {"method": "lost"}
    (folder / "status" / "lost.json").write_text(json.dumps(status))
    assert "<td>lost</td>" in page(folder, run)


def test_few_problems_make_no_claim(run: Path, tmp_path: Path):
    html = page(write_run(tmp_path / "run", n_problems=9), run)
    assert "Too few problems for inference (9)" in html
    assert "beyond chance" not in html
    assert "no interval" in html


def test_findings_count_intervals_on_one_side_of_zero():
    rows = [
        {"a": "a", "b": "b", "value": 0.5, "low": 0.4, "high": 0.6},
        {"a": "a", "b": "b", "control": "position", "value": 0.3, "low": 0.1, "high": 0.5},
        {"a": "a", "b": "c", "value": -0.7, "low": -0.8, "high": -0.6},
        {"a": "a", "b": "c", "control": "position", "value": -0.3, "low": -0.5, "high": -0.1},
        {"a": "b", "b": "c", "value": 0.25, "low": 0.1, "high": 0.4},
        {"a": "b", "b": "c", "control": "position", "value": 0.0, "low": -0.2, "high": 0.2},
        {"a": "a", "b": "base", "value": 0.6},
        {"a": "b", "b": "base", "value": -0.9},
        {"a": "base", "b": "c", "value": None},
    ]
    said = findings(agreement(rows), ["a", "b", "c"])
    assert said[0].startswith("1 of the 3 pairs of detectors agrees beyond chance with position")
    assert "1 oppose each other" in said[0]
    assert "between a and c: Spearman −.70 [−.80, −.60]; with position controlled −.30" in said[1]
    assert said[2] == "The median pair of detectors has .25 raw and .00 with position controlled."
    assert said[3] == "1 of the 3 detectors is closer to a baseline than to any detector."
    assert len(said) == 4


def test_headroom_is_read_where_it_is_known():
    position = {"a": "a", "b": "b", "control": "position", "value": 0.5}
    headroom = position | {"control": "headroom"}
    assert read_under(pairs(agreement([position, headroom]), "spearman")) == "headroom"
    assert (
        read_under(pairs(agreement([position, headroom | {"value": None}]), "spearman"))
        == "position"
    )


def test_a_control_nobody_has_makes_no_claim():
    raw = {"a": "a", "b": "b", "value": 0.5, "low": 0.4, "high": 0.6}
    assert findings(agreement([raw]), ["a", "b"])[0].startswith(
        "No pair of detectors has an interval"
    )


def test_undefined_pairs_come_last_and_are_counted():
    rows = [{"a": "a", "b": "b", "value": None}, {"a": "a", "b": "c", "value": -0.1}]
    frame = agreement(rows)
    assert [p.b for p in pairs(frame, "spearman")] == ["c", "b"]
    assert findings(frame, "abc")[-1] == "1 of the 2 pairs could not be compared at all."


def test_the_verdict_is_that_under_all_controls():
    rows = [
        {"a": "a", "b": "b", "verdict": "same"},
        {"a": "a", "b": "b", "control": "headroom", "verdict": "too few problems"},
        {"a": "a", "b": "b", "control": "all", "verdict": "overlapping"},
    ]
    assert pairs(agreement(rows), "spearman")[0].verdict == "overlapping"
    assert pairs(agreement(rows[:1]), "spearman")[0].verdict == "same"


def test_one_detector_has_nothing_to_agree_with():
    said = findings(agreement([{"a": "a", "b": "base", "value": 0.5}]), ["a"])
    assert said == [
        "Fewer than two detectors have scores on the same sentences: nothing to compare."
    ]


VERDICTS = [  # of three pairs; what is said first
    (("same", "same", "same"), "These methods select the same sentences. Verdicts on the 3 pairs"),
    (("same", "opposed", "unrelated"), "These methods do not all select the same sentences: 2 of"),
    (("overlapping", "unreliable", "undecided"), "These methods do not select the same sentences:"),
    (("same", "undecided", "undecided"), "Whether these methods select the same sentences is not"),
]


@pytest.mark.parametrize(("verdicts", "first"), VERDICTS)
def test_whether_they_select_the_same_sentences_comes_first(verdicts, first):
    names = [("a", "b"), ("a", "c"), ("b", "c")]
    rows = [
        {"a": a, "b": b, "control": "all", "value": 0.5, "verdict": verdict,
         "disattenuated_high": 0.9, "n_problems_needed": 40 if verdict == "undecided" else None}
        for (a, b), verdict in zip(names, verdicts, strict=True)
    ]  # fmt: skip
    said = findings(agreement(rows), "abc")[0]
    assert said.startswith(first)
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
    assert sorted(counts.split(", ")) == sorted(
        said.partition("controls on: ")[2].partition(".")[0].split(", ")
    )
    decided = "Whether" not in first
    assert said.endswith(".") if decided else said.endswith("About 40 problems would decide all.")


def test_an_overlap_that_may_be_the_whole_is_no_difference():
    row = {"a": "a", "b": "b", "value": 0.5, "verdict": "overlapping", "disattenuated_high": 1.1}
    assert findings(agreement([row]), "ab")[0].startswith("Whether these methods")


def test_the_summary_fits_eighty_columns(run: Path):
    console = Console(width=80, file=StringIO())
    console.print(summary(run))
    lines = console.file.getvalue().splitlines()
    shown = "\n".join(lines)
    assert max(map(len, lines)) <= 80
    heading = next(line for line in lines if "pair" in line)
    assert heading.split() == ["pair", "raw", "controlled", "interval", "ceiling", "verdict"]
    best = next(p for p in pairs(read(run).agreement, "spearman") if p.within(read(run).detectors))
    first = lines[lines.index(heading) + 2]
    read_as = best.at("position")
    for cell in (
        f"{best.a} ~ {best.b}",
        best.raw.text,
        read_as.text,
        read_as.interval,
        "undecided",
    ):
        assert cell in first
    assert "…" not in shown.replace("… and", "")
    assert "report.html" in shown


def test_the_report_node_of_conf_fits():
    from omegaconf import OmegaConf

    node = OmegaConf.load(Path(__file__).parents[2] / "conf/report/default.yaml")
    assert build(Report, node, "report") == Report(trace=None, dpi=200, example_traces=3)
