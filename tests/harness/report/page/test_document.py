import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from harness.core import UserError
from harness.core.config import build
from harness.report.findings import Roles, findings
from harness.report.page import render
from harness.report.page.document import Payload
from harness.report.pairs import pairs, read_under
from harness.report.settings import Report
from harness.report.source import read
from harness.report.summary import summary
from harness.store import schema
from tests.harness.evident import add_evidence, add_frames
from tests.harness.report.page.viewer.test_payload import unpacked
from tests.harness.synthetic import HOSTILE, write_run

CONF = Report(trace=None, dpi=50, example_traces=500, tracker=None)
VOID = {"meta", "img", "col", "br", "input"}
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"><path d="M0 0h4v4z"/></svg>'


class Document(HTMLParser):
    """What a browser would make of the page: elements, attributes and text; tags must balance."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    @property
    def payload(self) -> list[object]:
        """The chunks that the script reads, unpacked."""
        return [unpacked(line) for line in self.texts["script"][0].split("\n")]


def page(folder: Path) -> str:
    """The page of a run with one figure."""
    (folder / "plots").mkdir()
    (folder / "plots" / "by_k.svg").write_text(SVG)
    return render(folder, CONF).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = add_evidence(write_run(tmp_path_factory.mktemp("page") / "run"), draws=5)
    page(add_frames(folder, ("plan_generation", "active_computation")))
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page") / "<i>run"
    return page(add_evidence(write_run(folder, n_problems=3, texts=HOSTILE), draws=5))


def hashed(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize("which", ["run", "hostile"])
def test_nothing_runs_but_what_the_policy_names(which: str, request: pytest.FixtureRequest):
    found = request.getfixturevalue(which)
    document = Document(found if which == "hostile" else (found / "report.html").read_text())
    policy = next(a["content"] for t, a in document.elements if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "'self'" not in policy
    for script in document.texts["script"][1:]:
        assert hashed(script) in policy
    assert [hashed(style) in policy for style in document.texts["style"]] == [True]
    for tag, attributes in document.elements:
        assert tag not in {"iframe", "object", "embed", "link", "base", "i", "svg"}
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")


def test_hostile_text_reaches_the_page_as_data_alone(hostile: str):
    document = Document(hostile)
    expected = [text.replace("\x00", "\ufffd").replace("\x1b", "\ufffd") for text in HOSTILE]
    texts = next(c["text"] for c in document.payload if isinstance(c, dict) and "text" in c)
    assert texts[: len(HOSTILE)] == expected
    for text in HOSTILE[:3]:
        assert text not in hostile


def test_no_character_that_a_page_may_not_hold(hostile: str):
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]", hostile)
    assert "no sentence before &lt;/think&gt; \ufffd" in hostile


def test_failures_are_told_not_hidden(run: Path):
    html = (run / "report.html").read_text(encoding="utf-8")
    missing = html.split("Failed or missing</h3>")[1]
    assert "model toy has no base checkpoint &lt;b&gt;" in missing
    assert "p99 skipped" in missing
    counts = dict(re.findall(r"<dt>([^<]*)</dt><dd[^>]*>([\d,]+)</dd>", html))
    sizes = r"5 methods score the same [\d,]+ sentences of 24 traces \(12 correct\) on 12 problems"
    assert re.search(sizes, html)
    assert counts["methods failed"] == "1"
    assert counts["traces that a method failed on"] == "3"
    assert counts["problems skipped"] == "1"


def test_a_baseline_without_a_value_has_no_row_of_the_matrix(tmp_path: Path):
    folder = write_run(tmp_path / "run", n_problems=3)
    frame = pl.read_parquet(folder / "agreement.parquet")
    of = (pl.col("a") == "position") | (pl.col("b") == "position")
    nothing = pl.when(~of).then("value").alias("value")
    frame.with_columns(nothing).write_parquet(folder / "agreement.parquet")
    found = Document(page(folder)).payload
    names = next(c["names"]["method"] for c in found if isinstance(c, dict) and "names" in c)
    assert "position" not in names
    assert {"mi", "resampling"} <= set(names)


def test_frames_of_other_steps_are_shown_where_they_are(run: Path, hostile: str):
    html = (run / "report.html").read_text(encoding="utf-8")
    assert "plan generation</th>" in html
    assert "kendall w</th>" in html
    assert ">0.33 to 0.49<" in html
    for heading in ("Which kinds of sentence", "All detectors at once"):
        assert heading in html
        assert heading not in hostile


def test_the_page_without_figures_leaves_them_out(tmp_path: Path):
    folder = write_run(tmp_path / "run", n_problems=1)
    html = render(folder, CONF).read_text(encoding="utf-8")
    assert not [a for _, a in Document(html).elements if "data-figure" in a]
    assert 'href="#figures"' not in html


def test_rendering_again_gives_the_same_page(run: Path):
    before = (run / "report.html").read_bytes()
    assert render(run, CONF).read_bytes() == before
    assert not list(run.glob(".report*"))


def test_what_finds_no_room_is_allowed_beside_the_page(tmp_path: Path, monkeypatch):
    folder = write_run(tmp_path / "run", n_problems=1)
    monkeypatch.setattr("harness.report.page.document.Payload", lambda: Payload(room=0))
    html = render(folder, CONF).read_text(encoding="utf-8")
    policy = next(a["content"] for _, a in Document(html).elements if "http-equiv" in a)
    assert re.search(r"script-src ('sha256-\S+ )+'self';", policy)
    assert [path.name for path in folder.glob("report-data-*")] == ["report-data-1.js"]
    monkeypatch.undo()
    assert "'self'" not in render(folder, CONF).read_text(encoding="utf-8")
    assert not list(folder.glob("report-data-*"))


def test_only_the_first_traces_are_shown_if_so_configured(run: Path, tmp_path: Path):
    folder = write_run(tmp_path / "run", n_problems=3)
    html = render(folder, Report(trace=None, dpi=50, example_traces=2, tracker=None)).read_text()
    shown = Document(html).payload[-1]
    assert [t["trace_id"] for t in shown["traces"]] == ["p0-0", "p0-1"]
    assert "sentences of 6 traces" in html  # the counts are those of the whole run


def test_a_run_without_provenance_is_named(tmp_path: Path):
    folder = write_run(tmp_path / "run", n_problems=1)
    (folder / "run.yaml").unlink()
    with pytest.raises(UserError, match=r"run\.yaml"):
        render(folder, CONF)


def test_a_detector_with_a_status_and_no_row_is_still_listed(tmp_path: Path):
    folder = write_run(tmp_path / "run", n_problems=1)
    status = json.loads((folder / "status" / "mi.json").read_text()) | {"method": "lost"}
    (folder / "status" / "lost.json").write_text(json.dumps(status))
    assert '<th scope="row">lost<small>' in page(folder)


def test_few_problems_make_no_claim(tmp_path: Path):
    html = page(write_run(tmp_path / "run", n_problems=9))
    assert "Too few problems for inference (9)" in html
    assert "beyond chance" not in html
    assert "no interval" in html


def agreement(rows: list[dict]) -> pl.DataFrame:
    full = {"model": "m", "statistic": "spearman", "control": "none", "n_problems": 12}
    return pl.DataFrame([full | row for row in rows], schema=schema.AGREEMENT)


def found(rows: list[dict], detectors: str, truths=(), given_truth=()) -> list[str]:
    return findings(agreement(rows), Roles(list(detectors), truths, given_truth))


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
    lines = found(rows, "abc")
    assert lines[0].startswith("1 of the 3 pairs of detectors agrees beyond chance under position")
    assert "1 less than chance" in lines[0]
    assert "between a and c: Spearman −.70 [−.80, −.60]; under position −.30" in lines[1]
    assert lines[2] == "The median pair of detectors has .25 raw and .00 under position."
    assert lines[3] == "1 of the 3 detectors is closer to a baseline than to any detector."
    assert len(lines) == 4


def test_sentences_give_the_top_where_a_run_has_it():
    rows = [{"a": "a", "b": "b", "value": 0.5}, {"a": "a", "b": "b", "value": 0.2}]
    rows[1]["statistic"] = "topdown"
    assert "between a and b: topdown .20" in "".join(found(rows, "ab"))


def test_structure_is_read_where_it_is_known():
    position = {"a": "a", "b": "b", "control": "position", "value": 0.5}
    known = position | {"control": "structure"}
    assert read_under(pairs(agreement([position, known]), "spearman")) == "structure"
    unknown = known | {"value": None}
    assert read_under(pairs(agreement([position, unknown]), "spearman")) == "position"


def test_a_control_nobody_has_makes_no_claim():
    raw = {"a": "a", "b": "b", "value": 0.5, "low": 0.4, "high": 0.6}
    assert found([raw], "ab")[0].startswith("No pair of detectors has an interval")


def test_undefined_pairs_come_last_and_are_counted():
    rows = [{"a": "a", "b": "b", "value": None}, {"a": "a", "b": "c", "value": -0.1}]
    assert [p.b for p in pairs(agreement(rows), "spearman")] == ["c", "b"]
    assert found(rows, "abc")[-1] == "1 of the 2 pairs could not be compared at all."


def test_the_verdict_is_that_under_structure_with_the_ceiling_that_decided_it():
    rows = [
        {"a": "a", "b": "b", "verdict": "same"},
        {"a": "a", "b": "b", "control": "headroom", "verdict": "too few problems"},
        {"a": "a", "b": "b", "control": "all", "verdict": "undecided"},
        {"a": "a", "b": "b", "control": "structure", "verdict": "overlapping",
         "ceiling": 0.9, "verdict_ceiling": 0.7},
    ]  # fmt: skip
    seen = pairs(agreement(rows), "spearman")[0]
    assert (seen.verdict, seen.ceiling) == ("overlapping", 0.7)
    assert pairs(agreement(rows[:1]), "spearman")[0].verdict == "same"


def test_one_detector_has_nothing_to_agree_with():
    assert found([{"a": "a", "b": "base", "value": 0.5}], "a") == [
        "Fewer than two detectors have scores on the same sentences: nothing to compare."
    ]


TRUTH = [
    {"a": "a", "b": "b", "value": 0.5, "control": "structure", "verdict": "overlapping"},
    {"a": "a", "b": "b", "value": 0.5},
    {"a": "a", "b": "truth", "value": 0.9, "low": 0.8, "high": 1.0},
    {"a": "a", "b": "truth", "value": 0.6, "control": "position"},
    {"a": "truth", "b": "b", "value": -0.7, "verdict": "opposed"},
    {"a": "truth", "b": "base", "value": 0.99},
    {"a": "b", "b": "base", "value": 0.6},
]


def test_the_truth_is_no_detector_and_has_a_sentence_of_its_own():
    lines = found(TRUTH, "ab", ["truth"])
    assert "of the one pair of detectors 0 do, 0 do not, 1 overlaps, 0 are open." in lines[0]
    assert "1 of the 2 detectors is closer to a baseline than to any detector." in lines
    assert lines[-1] == (
        "Of the detectors a agrees best with the truth: Spearman .90 [.80, 1.00]; under position "
        ".60 no interval. The median detector has .10 raw and .60 under position."
    )
    assert not any("truth" in entry for entry in lines[:-1])
    alone = found(TRUTH, "a", ["truth"])
    assert alone[0].startswith("Fewer than two detectors")
    assert alone[1].startswith("Of the detectors a agrees best with the truth")


def test_a_detector_that_was_told_the_truth_is_never_the_best_and_always_marked():
    rows = [*TRUTH, {"a": "b", "b": "c", "value": 0.4}, {"a": "c", "b": "truth", "value": 0.2}]
    lines = found(rows, "abc", ["truth"], ["a"])
    assert "strongest raw relation is between b and c" in lines[1]
    assert lines[-1].startswith("Of the detectors that were not told what is planted c agrees best")
    assert lines[-1].endswith("Those that were told: a† .90.")
    assert not [line for line in lines if re.search(r"(between|and|detectors) a\b(?!†)", line)]
    judged = {"a": "b", "b": "c", "control": "structure", "value": 0.1, "verdict": "different"}
    first = found([*rows, judged], "abc", ["truth"], ["a"])[0]
    assert "of the one pair of detectors 0 do, 1 does not (1 different)" in first
    assert first.endswith("a†, told what is planted, does not count.")


VERDICTS = [  # of three pairs; what is said first
    (("same", "same", "same"), "These methods select the same sentences: of 3 pairs"),
    (("same", "opposed", "unrelated"), "These methods do not all select the same sentences: of 3"),
    (("overlapping", "different", "undecided"), "These methods do not all select the same"),
    (("overlapping", "unreliable", "undecided"), "These methods select sentences that overlap"),
    (("same", "undecided", "undecided"), "Whether these methods select the same sentences is not"),
    (("unreliable", "undecided", "too few problems"), "Whether these methods select the same"),
]


@pytest.mark.parametrize(("verdicts", "first"), VERDICTS)
def test_whether_they_select_the_same_sentences_comes_first(verdicts, first):
    names = [("a", "b"), ("a", "c"), ("b", "c")]
    rows = [
        {"a": a, "b": b, "control": "structure", "value": 0.5, "verdict": verdict,
         "n_problems_needed": 40 if verdict == "undecided" else None}
        for (a, b), verdict in zip(names, verdicts, strict=True)
    ]  # fmt: skip
    line = found(rows, "abc")[0]
    assert line.startswith(first)
    counts = [verdicts.count("same"), *(sum(v in of for v in verdicts) for of in (
        ("opposed", "unrelated", "different"),
        ("overlapping",),
        ("undecided", "unreliable", "too few problems"),
    ))]  # fmt: skip
    seen = re.search(
        r"(\d) do(?:es)?, (\d) do(?:es)? not.*, (\d) overlaps?, (\d) (?:is|are) open", line
    )
    assert seen is not None
    assert [int(n) for n in seen.groups()] == counts
    decided = not line.startswith("Whether")
    assert line.endswith("open." if decided else "About 40 problems would decide all.")


def test_where_every_pair_has_too_few_problems_there_is_no_answer():
    row = {"a": "a", "b": "b", "value": 0.5, "verdict": "too few problems", "n_problems": 4}
    assert found([row], "ab")[0].startswith("Too few problems for inference (4)")


def test_pairs_of_which_the_control_is_one_have_no_verdict():
    rows = [
        {"a": "a", "b": "b", "value": 0.5, "control": "structure", "verdict": "same"},
        {"a": "a", "b": "c", "control": "structure", "verdict": "the control is the method"},
    ]
    assert found(rows, "abc")[0] == (
        "These methods select the same sentences: of the one pair of detectors 1 does, 0 do not, "
        "0 overlap, 0 are open."
    )


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

    node = OmegaConf.load(Path(__file__).parents[4] / "conf/report/default.yaml")
    assert build(Report, node, "report") == Report(
        trace=None, dpi=200, example_traces=500, tracker=None
    )
