import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console

import conf
from harness import (
    PLAIN,
    Condition,
    Draw,
    Embed,
    Evidence,
    Read,
    ReadRollouts,
    ReadText,
    UserError,
    methods,
)
from harness.cli.catalogue import COST_CLASSES, cost, cost_class, described, entries, in_families
from harness.core import (
    Ask,
    Attend,
    Compare,
    Detector,
    Gradient,
    Lens,
    Likelihood,
    Mask,
    Reach,
    Suppress,
)
from harness.core.config import target
from harness.core.docstrings import idea, source, written
from harness.evidence.example import wanted
from harness.evidence.wants import checkpoints
from harness.store import schema
from harness.store.files import rows, write_frame

BASE = Condition("base")

EXPERIMENTS = Path(conf.__file__).parent / "experiment"
BASELINES = ["position", "recency", "length", "chance", "lexicon", "surprisal", "headroom"]
METHODS = sorted(path.stem for path in (Path(conf.__file__).parent / "method").glob("*.yaml"))


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, *argv: str) -> str:
    monkeypatch.setattr(sys, "argv", ["methods", *argv])
    methods.main()
    return capsys.readouterr().out


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, *argv: str) -> str:
    monkeypatch.setattr(sys, "argv", ["methods", *argv])
    with pytest.raises(SystemExit) as left:
        methods.main()
    out, err = capsys.readouterr()
    assert (left.value.code, out, err.count("\n")) == (2, "", 1)
    return err


def test_every_yaml_is_listed_and_then_the_baselines():
    assert [entry.name for entry in entries(None)] == METHODS + BASELINES


def test_a_pipe_gets_one_whole_line_a_detector_and_no_torch():
    check = "assert not {'torch', 'transformers'} & {*sys.modules}"
    code = f"import sys, harness.methods as m; m.main(); {check}"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    header, *lines = done.stdout.splitlines()
    assert header.split() == list(methods.COLUMNS)
    assert sorted(line.split()[0] for line in lines) == sorted(METHODS + BASELINES)
    at = {column: header.index(column) for column in methods.COLUMNS}
    for line, entry in zip(lines, in_families(entries(None)), strict=True):
        for column in methods.COLUMNS:
            assert line[at[column] :].startswith(getattr(entry, column)), column


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_narrow_window_cuts_no_name_in_two(width: int):
    console = Console(file=StringIO(), force_terminal=True, color_system=None, width=width)
    every = entries(None)
    methods.show_all(every, console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    begun = [line.split()[0] for line in lines if line[:1].strip()]
    assert begun == [entry.name for entry in every]
    words = " ".join(console.file.getvalue().split())
    assert "signed; wants" in words


def test_one_detector_in_full_has_its_docstring_and_its_yaml_values(monkeypatch, capsys):
    out = printed(monkeypatch, capsys, "resampling_kl")
    node = yaml.safe_load((Path(conf.__file__).parent / "method/resampling_kl.yaml").read_text())
    for key, value in node["resampling_kl"].items():
        if key != "_target_":
            assert f"  {key}: {written(value)} " in out
    assert "R_i are the rollouts that draw sentence i anew" in out
    assert "# tv | js | kl | accuracy" in out
    assert "method.resampling_kl.KEY=VALUE" in out


def test_a_baseline_in_full_has_no_options(monkeypatch, capsys):
    out = printed(monkeypatch, capsys, "headroom")
    assert "Rollouts without an answer are one outcome more" in out
    assert "options" not in out


def test_an_unknown_name_is_one_line_that_lists_what_there_is(monkeypatch, capsys):
    line = refused(monkeypatch, capsys, "resampelling")
    assert line.startswith("error: resampelling: no such detector; there are ")
    assert set(METHODS + BASELINES) <= set(line.replace(",", "").split())


def test_a_folder_that_is_not_there_is_one_line(monkeypatch, capsys):
    line = refused(monkeypatch, capsys, "--config-dir", "/no/such/folder")
    assert line == "error: --config-dir: /no/such/folder is no folder\n"


PLUGIN = '''
from dataclasses import dataclass
from harness import Embed, Evidence, SentenceScores, Trace

@dataclass(frozen=True)
class Lonely:
    """How unlike its neighbours a sentence is.

    Source: nobody,
    nowhere.
    """
    model: str
    family = "text"
    signed = True

    def wants(self, trace, have):
        return [Embed(tuple(s.text for s in trace.sentences), self.model)]

    def score(self, trace, evidence):
        raise AssertionError("a list scores nothing")
'''


YAML = "lonely:\n  _target_: lonely_plugin.Lonely\n  model: minilm\n"


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "my detectors, (2)"
    (folder / "method").mkdir(parents=True)
    (folder / "lonely_plugin.py").write_text(PLUGIN)
    (folder / "method/lonely.yaml").write_text(YAML)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "lonely_plugin", raising=False)
    return folder


def test_a_third_party_folder_is_listed_too(plugin: Path):
    found = {entry.name: entry for entry in entries(str(plugin))}
    assert set(found) == {*METHODS, *BASELINES, "lonely"}
    lonely = found["lonely"]
    assert (lonely.family, lonely.signed) == ("text", "yes")
    assert (lonely.wants, lonely.cost) == ("embeddings", "low: embeddings")
    assert lonely.idea == "How unlike its neighbours a sentence is."
    assert lonely.source == "nobody, nowhere"
    assert lonely.options == {"model": "minilm"}


def test_an_installed_package_is_listed_without_a_word(tmp_path: Path, monkeypatch):
    package, info = tmp_path / "lonely_plugin", tmp_path / "lonely-1.0.dist-info"
    (package / "method").mkdir(parents=True)
    (package / "__init__.py").write_text(PLUGIN)
    (package / "method/lonely.yaml").write_text(YAML)
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lonely\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[anchor_harness.methods]\nlonely = lonely_plugin\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lonely_plugin", raising=False)
    assert "lonely" in {entry.name for entry in entries(None)}


def test_a_variant_says_how_it_differs(plugin: Path):
    (plugin / "method/lonelier.yaml").write_text(
        YAML.replace("lonely:", "lonelier:").replace("minilm", "big")
    )
    ideas = {entry.name: entry.idea for entry in entries(str(plugin))}
    assert ideas["lonelier"] == "How unlike its neighbours a sentence is."  # first by name
    assert ideas["lonely"] == "lonelier with model=minilm"


def test_a_broken_third_party_yaml_is_named(plugin: Path):
    (plugin / "method/lonely.yaml").write_text("lonely:\n  _target_: lonely_plugin.Lonely\n")
    with pytest.raises(UserError, match=r"method\.lonely\.model: missing"):
        entries(str(plugin))


DRAWS = [Draw(k, 30) for k in range(5)]


@pytest.mark.parametrize(
    ("wants", "words", "price"),
    [
        ([], "nothing", "none"),
        (DRAWS, "rollouts at every boundary (resample)", "high: 30 rollouts a sentence"),
        (
            [Draw(k, 7, "answer", "forced", "so") for k in range(5)],
            "forced answers at every boundary (forced)",
            "medium: 7 short draws a sentence",
        ),
        (
            [*DRAWS, *(Draw(k, 10, "sentence", "next") for k in (1, 3))],
            "rollouts at every boundary (resample), next sentences at some boundaries (next)",
            "high: 34 rollouts a sentence",  # (5 * 30 + 2 * 10) / 5
        ),
        (
            [Read(states=(-1,)), Read(entropy=True), ReadText("a"), ReadText("b")],
            "a pass over the trace (states, entropy), texts read alone",
            "low: one pass a trace",
        ),
        (
            [*DRAWS, *(ReadRollouts("resample", k) for k in range(5))],
            "rollouts at every boundary (resample), states of the rollouts' first sentences",
            "high: 30 rollouts a sentence",
        ),
        ([Embed(("a",), "m")], "embeddings", "low: embeddings"),
        (
            [
                Compare(PLAIN, BASE),
                Read(logprob=True, condition=BASE),
                Attend(max),
            ],
            "a pass over the trace (attention, distributions), "
            "a pass over the trace by base (logprob, distributions)",
            "low: two passes a trace",
        ),
        (
            [Suppress(False, 1.0)],
            "passes over the trace with each sentence masked",
            "medium: part of a pass a sentence",
        ),
    ],
)
def test_wants_in_words(wants: list, words: str, price: str):
    assert described(wants) == words
    assert cost(wants) == price


HIDDEN = [Likelihood("4}", "so", (4,), Condition(under=(Mask((i,)),))) for i in range(4)]


@pytest.mark.parametrize(
    ("wants", "kind", "price"),
    [
        ([Embed(("a",), "m")], "text", "low: embeddings"),
        ([Likelihood("4}", "so")], "1 pass", "low: one pass a trace"),
        ([Read(entropy=True), Lens()], "n passes", "low: two passes a trace"),
        ([Reach(10, 10, 50)], "1 pass", "low: one pass a trace"),
        ([Gradient("4", "so", "joint", 0.0, 0)], "n passes", "low: two passes a trace"),
        ([Gradient("4", "so", "kl", 0.1, 0)], "n passes", "low: 3 passes a trace"),
        ([Likelihood("4}", "so", (4,)), *HIDDEN], "n passes", "medium: part of a pass a sentence"),
        ([Draw(0, 5, "sentence", "next")], "short draws", "medium: 5 short draws a sentence"),
        (
            [*DRAWS, Ask("http://x", "m", "", "?", 9, 1.0, 9)],
            "endpoint",
            "high: 30 rollouts a sentence",
        ),
    ],
)
def test_the_dearest_evidence_names_the_class(wants: list, kind: str, price: str):
    assert cost_class(wants) == kind
    assert cost(wants) == price


def test_families_come_together_the_cheapest_first_and_baselines_last():
    found = in_families(entries(None))
    pairs = [(e.family, COST_CLASSES.index(e.cost_class)) for e in found if e.family != "baseline"]
    assert pairs == sorted(pairs)
    assert [entry.name for entry in found[-len(BASELINES) :]] == BASELINES


def preset(name: str) -> list[str]:
    node = yaml.safe_load((EXPERIMENTS / f"{name}.yaml").read_text())
    return node["defaults"][0]["override /method"]


def test_presets_are_what_the_cost_classes_say():
    every = [entry for entry in entries(None) if entry.family != "baseline"]
    own = [entry for entry in every if not entry.name.startswith(f"{entry.module}_")]
    cheap = [entry.name for entry in own if entry.cost_class in ("text", "1 pass")]
    assert preset("cheap") == cheap
    assert preset("standard") == [e.name for e in own if e.cost_class != "endpoint"]
    assert preset("everything") == [entry.name for entry in every]


def test_the_documented_table_is_that_of_the_command():
    """All but what the self-test found, which takes a run: docs/methods.md says how."""
    page = (Path(conf.__file__).parents[1] / "docs" / "methods.md").read_text().splitlines()
    made = list(methods.markdown(in_families(entries(None)), []))
    cut = len(methods.FOUND) + 1
    there = [line.rsplit("|", cut)[0] for line in page if line.startswith("| `")]
    assert there == [line.rsplit("|", cut)[0] for line in made[2:]]


def test_the_table_has_what_a_self_test_found(tmp_path: Path, monkeypatch, capsys):
    found = {"method": "mi", "measure": "read", "value": 0.61, "low": 0.5, "high": 0.7}
    write_frame(
        tmp_path / "selftest.parquet",
        rows([{**found, "n_problems": 9, "bound": None, "kept": True}], schema.SELFTEST),
    )
    out = printed(monkeypatch, capsys, "--table", str(tmp_path)).splitlines()
    (line,) = [line for line in out if line.startswith("| `mi` ")]
    assert line.endswith("| [2506.02867](https://arxiv.org/abs/2506.02867) | n/a | .61 ±.10 |")
    assert len(out) == 2 + len(METHODS) + len(BASELINES)
    empty = refused(monkeypatch, capsys, "--table", str(tmp_path / "no"))
    assert "holds no selftest.parquet" in empty


def test_a_detector_that_learns_says_so():
    assert described([Embed(("a",), "m")], fitted=True) == "embeddings, other problems' traces"


def test_checkpoints_are_named_once():
    wants = [
        Compare(Condition("rl"), BASE),
        Read(condition=BASE),
        Attend(max),
        Embed(("a",), "m"),
    ]
    assert checkpoints(wants) == ["rl", "base", ""]


def test_what_is_wanted_after_the_rollouts_is_asked_for_as_well():
    node = yaml.safe_load((Path(conf.__file__).parent / "method/resampling.yaml").read_text())
    detector: Detector = target(node["resampling"], "")
    wants = wanted(detector, Evidence(draws=3, force="", references=()))
    assert [type(want) for want in wants] == [Draw] * 5 + [Embed]


def test_idea_is_the_first_sentence():
    assert idea("One, e.g. this\nand that. And more.\n\nElse.") == "One, e.g. this and that."
    assert idea("1/n. 2") == "1/n. 2"
    assert idea("") == ""


def test_source_is_what_is_said_to_be_one_else_the_arxiv_ids():
    assert (
        source("A.\n\nSource: B et al.,\narXiv 1234.56789 (x).\n\nMore")
        == "B et al., arXiv 1234.56789 (x)"
    )
    assert source("(arXiv 2506.02867; arXiv 2509.03646, arXiv 2506.02867)") == (
        "arXiv 2506.02867, arXiv 2509.03646"
    )
    assert source("nothing") == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-9, "1.0e-09"), (True, "true"), ("nan", "nan"), (None, "null"), ([1, "a"], "[1, a]")],
)
def test_values_are_written_as_yaml_reads_them(value: object, text: str):
    assert written(value) == text
    assert yaml.safe_load(text) == value
