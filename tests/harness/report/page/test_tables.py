from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest

from harness.report.page.citations import PAPER, bibliography, flat, library, methods_text, stated
from harness.report.page.description import UNKNOWN, Description, described
from harness.report.page.figures import figures
from harness.report.page.tables import beside, enrichment, explained, missing, ordered, summary
from harness.report.pairs import Pair, Value
from harness.report.source import read
from tests.harness.evident import add_frames
from tests.harness.synthetic import write_run


def pair(a: str, b: str, **under: float | None) -> Pair:
    values = {control: Value(value, None, None) for control, value in under.items()}
    return Pair("m", a, b, "spearman", values, 9, 9, 9, None, None, Value(None, None, None), None)


def test_what_the_controls_explain_by_hand():
    between = [
        pair("a", "b", none=0.6, position=0.2),
        pair("a", "c", none=-0.4, position=-0.4),
        pair("b", "c", none=0.9, position=None),
        pair("b", "d", none=None, position=0.1),
    ]
    assert explained(between) == [("position", pytest.approx(0.5), pytest.approx(0.3), 2)]
    assert explained(between[2:]) == []


def test_each_detector_beside_each_baseline(tmp_path: Path):
    source = read(write_run(tmp_path / "run", n_problems=1))
    every = [pair("mi", "length", none=0.5), pair("position", "mi", none=-0.2)]
    every += [pair("attention", "length", none=None), pair("mi", "attention", none=0.9)]
    names, rows = beside(every, source)
    assert names == ["position", "length"]
    assert [(row["method"], [v.value for v in row["values"]]) for row in rows] == [
        ("mi", [-0.2, 0.5])
    ]


def test_frames_that_are_absent_or_empty_make_no_table(tmp_path: Path):
    run = write_run(tmp_path / "run", n_problems=1)
    assert enrichment(run, ["mi"]) == []
    assert summary(run) == []
    add_frames(run, ("plan", "check"))
    (found,) = enrichment(run, ["length", "mi", "unheard of"])
    assert found["categories"] == ["check", "plan"]
    assert [row["method"] for row in found["rows"]] == ["length", "mi"]
    assert [cell["category"] for cell in found["rows"][0]["cells"]] == ["check", "plan"]
    assert [row["measure"] for row in summary(run)] == ["kendall_w", "krippendorff_alpha"]
    (run / "enrichment.parquet").unlink()
    pl.DataFrame({"method": []}).write_parquet(run / "enrichment.parquet")
    assert enrichment(run, ["mi"]) == []


def test_enrichment_has_a_part_a_control_and_cells_of_which_nothing_is_known(tmp_path: Path):
    run = tmp_path
    rows = [("mi", "plan", "none", 1.0), ("mi", "check", "position", None)]
    columns = ["method", "category", "control", "value"]
    pl.DataFrame(rows, schema=columns, orient="row").write_parquet(run / "enrichment.parquet")
    raw, controlled = enrichment(run, ["mi"])
    assert (raw["control"], controlled["control"]) == ("none", "position")
    assert [cell["value"] for cell in raw["rows"][0]["cells"]] == [1.0]
    assert [cell["value"] for cell in controlled["rows"][0]["cells"]] == [None]


def test_everything_that_failed_is_listed_with_its_reason(tmp_path: Path):
    done = {"method": "a", "state": "done", "error": None, "coverage": 1.0}
    rows = [
        done | {"failures": {"t#1": "infinite"}, "undefined": {"no peaks": 3}},
        done | {"method": "b", "state": "failed", "error": "no checkpoint", "coverage": None},
        done | {"method": "c", "state": "partial"},
        done | {"method": "headroom", "state": None, "coverage": 0.0},
    ]
    notes = {"model": ["m"], "method": ["a"], "other": ["b"], "reason": ["no sentence in common"]}
    pl.DataFrame({**notes, "count": [2], "first": ["t#0"]}).write_parquet(
        tmp_path / "notes.parquet"
    )
    assert missing(tmp_path, rows, {"p9": "no sentence"}) == [
        ("a undefined on 3 traces", "no peaks"),
        ("a failed on t#1", "infinite"),
        ("b failed", "no checkpoint"),
        ("c partial", "not finished"),
        ("headroom undefined everywhere", "its evidence is missing"),
        ("a beside b", "no sentence in common (2, first at t#0)"),
        ("p9 skipped", "no sentence"),
    ]


def test_figures_come_in_the_order_of_the_captions_others_last(tmp_path: Path):
    (tmp_path / "plots").mkdir()
    for name in ("trace", "something_new", "forest", "by_k"):
        (tmp_path / "plots" / f"{name}.svg").write_text(f"<svg>{name}</svg>")
    found = figures(tmp_path)
    assert [name for name, *_ in found] == ["by_k", "trace", "something_new"]
    assert found[-1] == ("something_new", "something new", "<svg>something_new</svg>")


def test_a_sentence_is_said_only_of_what_is_known():
    known = flat(
        {"sampling": {"draws": 100, "seed": None}, "agreement": {"statistics": ["a", "b"]}}
    )
    assert known == {"sampling.draws": "100", "agreement.statistics": "a, b"}
    assert stated("We drew {sampling.draws}.", known) == "We drew 100."
    assert stated("Seed {sampling.seed}.", known) == ""
    text = methods_text({"model": {"name": "toy"}, "problems": {"name": "gsm8k"}, "git": None}, {
        "detectors": "2 methods", "traces": 4, "sentences": 40, "problems": 3,
    })  # fmt: skip
    assert text.startswith("2 methods scored every sentence of 4 reasoning traces (40 sentences")
    assert "None" not in text
    assert "{" not in text


def test_papers_are_cited_once_and_unknown_ones_by_number():
    cited = bibliography(["see arXiv 2509.03646 and arXiv 9901.00001", "arXiv 2509.03646"])
    assert cited.count("@misc") == 2
    assert cited.startswith("@misc{wang2025emergent,")
    assert "eprint = {9901.00001}" in cited
    assert cited.index("9901.00001") < cited.index("@article{iman1987measure,")
    assert "@misc" not in bibliography([])


def test_every_entry_of_the_library_has_what_a_citation_needs():
    papers, statistics = library()
    for entry in (*papers.values(), *statistics):
        assert entry.count("{") == entry.count("}")
        place = ("journal", "volume", "pages") if entry in statistics else ("eprint",)
        for field in ("title", "author", "year", *place):
            assert f"  {field} = {{" in entry, entry
        assert "and others" not in entry


def test_every_paper_that_a_method_or_a_claim_names_is_in_the_library():
    folders = [Path(str(files(name))) for name in ("methods", "conf", "harness")]
    paths = [
        path for folder in folders for kind in ("py", "yaml") for path in folder.rglob(f"*.{kind}")
    ]
    named = {paper for path in paths for paper in PAPER.findall(path.read_text(encoding="utf-8"))}
    assert len(named) > 5
    assert named <= set(library()[0])


def test_methods_are_described_by_their_own_words():
    own = {"mine": {"_target_": "methods.resampling.Resampling", "distance": "kl"}}
    own["gone"] = {"_target_": "not_installed.thing.Thing"}
    names = ["resampling", "mine", "position", "truth", "gone", "unheard_of", "told"]
    about = {"text": "An idea. More of it.\n\nSource: x.", "options": {"k": "3"}}
    found = described(names, {"told": {"about": about}}, own)
    assert found["resampling"].idea.startswith("How far the answers move")
    assert "2506.19143" in found["resampling"].source
    assert found["resampling"].options["distance"] == "tv"
    assert found["mine"].idea == "resampling with distance: kl"
    assert found["mine"].text == found["resampling"].text
    assert found["position"].idea.startswith("i/n")
    assert "known exactly" in found["truth"].idea
    assert found["gone"] == found["unheard_of"] == UNKNOWN
    assert found["told"] == Description("An idea.", about["text"], "x", {"k": "3"})


def test_methods_come_family_by_family(tmp_path: Path):
    source = read(write_run(tmp_path / "run", n_problems=1))
    families = {"a": "x", "b": "y", "c": "x", "d": "baseline", "e": "y"}
    frame = pl.DataFrame({"method": list(families), "family": list(families.values())})
    assert ordered(replace(source, methods=frame)) == ["a", "c", "b", "e", "d"]
