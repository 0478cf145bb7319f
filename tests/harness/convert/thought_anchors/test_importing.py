"""Published traces become a run: every number where it belongs, or nothing at all."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness import UserError
from harness.convert.__main__ import command
from harness.convert.thought_anchors.cutting import locate, same_boundaries
from harness.report.build import report
from harness.report.settings import configured
from harness.store.reading import read_json
from harness.text.segmentation import offsets
from tests.harness.convert.tree import ACCURACY, CHUNKS, KL, TAGS, write_tree
from tests.harness.store.test_files import full_disk

SMALL = ["agreement.controls=[none,position]", "report.example_traces=1", "report.dpi=50"]
FIRST = "thought_anchors/7#one-correct"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "tree")


def converted(tree: Path, *options: str) -> Path:
    run = tree.parent / "runs" / "run"
    command(["thought_anchors", str(tree), str(run), "text_detectors=false", *options])
    return run


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return converted(write_tree(tmp_path_factory.mktemp("plain") / "tree"))


def scores(run: Path, method: str, trace: str = FIRST) -> pl.DataFrame:
    return pl.read_parquet(run / f"scores/{method}.parquet").filter(pl.col("trace_id") == trace)


def test_traces_of_several_models_are_one_run(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = converted(tree)
    assert "8 traces of 2 problems by one, two: 32 sentences, cut as here in 8 of 8" in (
        capsys.readouterr().out
    )
    traces = pl.read_parquet(run / "traces.parquet")
    assert traces["trace_id"].n_unique() == 8
    assert traces["model"].to_list() == ["one", "one", "two", "two"] * 2
    assert traces["correct"].to_list() == [True] * 4 + [False] * 4
    assert traces["answer"].to_list() == ["5"] * 4 + ["6"] * 4
    assert traces["seed"].null_count() == 8
    problems = pl.read_parquet(run / "problems.parquet")
    assert problems["problem_id"].to_list() == ["thought_anchors/7", "thought_anchors/8"]
    assert yaml.safe_load((run / "run.yaml").read_text())["convert"]["undefined"] == "zero"


def test_sentences_tile_the_reasoning_and_keep_the_first_label(plain: Path) -> None:
    trace = pl.read_parquet(plain / "traces.parquet").row(0, named=True)
    cut = pl.read_parquet(plain / "sentences.parquet").filter(pl.col("trace_id") == FIRST)
    assert [text.strip() for text in cut["text"]] == CHUNKS
    assert cut["category"].to_list() == TAGS
    assert "".join(cut["text"]) == trace["text"].partition("</think>")[0]
    assert "".join(map(chr, trace["token_ids"])) == trace["text"]
    assert cut["start"].to_list() == [0, *cut["stop"].to_list()[:-1]]


def test_a_positive_accuracy_always_says_that_the_sentence_helps(plain: Path) -> None:
    helps = [-value + 0.0 for value in ACCURACY]
    for method in ("counterfactual_accuracy", "resampling_accuracy"):
        assert scores(plain, method)["score"].to_list() == helps
        assert read_json(plain / f"status/{method}.json")["signed"] is True
    assert scores(plain, "counterfactual_kl")["score"].to_list() == KL
    assert read_json(plain / "status/counterfactual_kl.json")["signed"] is False


def test_what_was_drawn_is_not_taken_for_exact(plain: Path) -> None:
    """Without scores of half samples the reliability is unknown; arms say that there were draws."""
    statuses = {p.stem: read_json(p) for p in (plain / "status").iterdir()}
    drawn = {name: tuple(status.get("arms", ())) for name, status in statuses.items()}
    assert drawn.pop("suppression") == ()
    assert drawn["counterfactual_kl"] == ("published counterfactual_kl",)
    assert len(set(drawn.values())) == 7


def test_where_no_rollout_differs_the_importance_is_unknown_if_asked(tree: Path) -> None:
    run = converted(tree, "undefined=nan")
    for method in ("counterfactual_kl", "counterfactual_accuracy"):
        undefined = scores(run, method)["score"].is_nan().to_list()
        assert undefined == [False, False, True, False]
    assert scores(run, "resampling_kl")["score"].is_nan().sum() == 0


def test_suppression_is_the_column_mean_of_the_matrix(plain: Path) -> None:
    np.testing.assert_allclose(scores(plain, "suppression")["score"], [1.0, 1.0, -2.0, np.nan])
    (path,) = [p for p in (plain / "matrices/suppression").iterdir() if "7-one-correct" in p.name]
    cells = pl.read_parquet(path).select("source", "target", "value").rows()
    assert sorted(cells)[:2] == [(0, 1, 1.0), (0, 2, 3.0)]
    without = scores(plain, "suppression", FIRST.replace("correct", "incorrect"))
    assert without["score"].is_nan().all()
    undefined = read_json(plain / "status/suppression.json")["undefined"]
    assert undefined == {"no step_importance_supp.json": 4}


def test_chunks_that_were_cut_by_another_rule_are_kept_and_counted(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next(tree.glob("one/correct*/problem_7")) / "chunks_labeled.json"
    chunks = json.loads(path.read_text())
    chunks[0]["chunk"], chunks[1]["chunk"] = "We add the apples", "first. So 2 + 3 = 5."
    path.write_text(json.dumps(chunks))
    run = converted(tree)
    assert "cut as here in 7 of 8 traces" in capsys.readouterr().out
    cut = pl.read_parquet(run / "sentences.parquet").filter(pl.col("trace_id") == FIRST)
    assert [t.strip() for t in cut["text"]][:2] == ["We add the apples", "first. So 2 + 3 = 5."]


def test_detectors_of_the_text_are_scored_without_being_named(tree: Path) -> None:
    run = tree.parent / "run"
    options = ["method.gram_coverage.lexicon=['add the apples']"]
    command(["thought_anchors", str(tree), str(run), *options])
    covered = scores(run, "gram_coverage")["score"].to_list()
    # the sentence owns the white space up to the next one's first word
    first = pl.read_parquet(run / "sentences.parquet")["n_tokens"][0]
    assert covered == [pytest.approx(len("add the apples") / first), 0, 0, 0]
    assert sorted(p.stem for p in (run / "scores").iterdir()) == [
        *("counterfactual_accuracy", "counterfactual_kl", "dissimilar_fraction"),
        *("forced_accuracy", "forced_kl", "gram_coverage", "resampling_accuracy", "resampling_kl"),
        "suppression",
    ]


def test_the_report_step_reads_it_like_any_run(tree: Path) -> None:
    run = converted(tree)
    page = report(run, *configured(run, ["agreement.statistics=[spearman]", *SMALL]))
    assert "Too few problems for inference (2)" in page.read_text()
    assert set(pl.read_parquet(run / "agreement.parquet")["model"]) == {"one", "two"}
    found = pl.read_parquet(run / "enrichment.parquet")
    assert set(found["category"]) == set(TAGS)
    claims = pl.read_parquet(run / "claims.parquet").filter(part="")["claim"]
    assert set(claims) == {"convergence_published", "planning_and_backtracking_published"}


def test_a_model_folder_alone_is_a_tree_too(tree: Path) -> None:
    run = converted(tree / "one")
    assert set(pl.read_parquet(run / "traces.parquet")["model"]) == {"one"}


def edit(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / f"{name}.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps(change(content) or content))

    return apply


BAD: list[tuple[Callable[[Path], None], str]] = [
    (lambda f: (f / "problem.json").write_text("{"), r"problem\.json: broken JSON"),
    (lambda f: (f / "problem.json").write_bytes(b"\xff"), r"problem\.json: broken JSON"),
    (edit("problem", lambda p: p.pop("problem") and p), r"problem\.json: problem: Field required"),
    (
        edit("base_solution", lambda s: s.update(solution=s["solution"].replace("</", "Yes.</"))),
        r"no chunk has what stands there in the text: 'Yes\.'",
    ),
    (edit("chunks_labeled", lambda c: c[1].update(chunk="So 7")), "chunk 1 is not what stands"),
    (edit("chunks_labeled", lambda c: c[1].update(chunk=" ")), r"1 chunk: String should match"),
    (
        edit("step_importance_supp", lambda s: s[1].update(source_chunk_idx=-1)),
        r"source_chunk_idx: Input should be greater",
    ),
    (edit("chunks_labeled", lambda c: [None]), r"chunks_labeled\.json: 0: Input"),
    (edit("chunks_labeled", lambda c: {"a": 1}), r"chunks_labeled\.json: Input should be a valid"),
    (
        edit("chunks_labeled", lambda c: c[2].update(forced_importance_kl=float("nan"))),
        "2 forced_importance_kl: Input should be a finite number, got nan",
    ),
    (
        edit("chunks_labeled", lambda c: c[2].update(accuracy=float("inf"))),
        "2 accuracy: Input should be a finite number, got inf",
    ),
    (
        edit("step_importance_supp", lambda s: s[1].update(source_chunk_idx=3)),
        "chunk 3 cannot act on chunk 2 of 4",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), BAD)
def test_bad_data_is_one_line_and_leaves_nothing(
    tree: Path, spoil: Callable[[Path], None], message: str
) -> None:
    spoil(next(tree.glob("two/correct*/problem_8")))
    with pytest.raises(UserError, match=message) as raised:
        converted(tree)
    assert "\n" not in str(raised.value)
    runs = tree.parent / "runs"
    assert not runs.exists() or not any(runs.iterdir())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "problem.json").unlink(), r"problem.json: is missing"),
        (edit("chunks_labeled", lambda c: c[1].update(chunk_idx=4)), "chunk_idx must count"),
        (edit("chunks_labeled", lambda c: c[1:]), "chunk_idx must count"),
    ],
)
def test_a_trace_that_lacks_something_is_named_and_the_others_stay(
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    message: str,
) -> None:
    spoil(next(tree.glob("two/correct*/problem_8")))
    run = converted(tree)
    out = capsys.readouterr().out
    assert "7 traces of 2 problems" in out
    assert f"left out: {next(tree.glob('two/correct*/problem_8'))}" in out
    assert message in out
    assert len(pl.read_parquet(run / "traces.parquet")) == 7


def test_a_number_that_is_missing_is_undefined_and_counted(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(chunks: list[dict[str, Any]]) -> None:
        for key in ("forced_importance_kl", "accuracy", "depends_on"):
            del chunks[2][key]

    edit("chunks_labeled", change)(next(tree.glob("one/correct*/problem_7")))
    run = converted(tree)
    out = capsys.readouterr().out
    assert "1 sentences without accuracy\n1 sentences without forced_importance_kl\n" in out
    assert scores(run, "forced_kl")["score"].is_nan().to_list() == [False, False, True, False]
    cut = pl.read_parquet(run / "sentences.parquet").filter(pl.col("trace_id") == FIRST)
    even = pytest.approx(np.log(2))
    assert cut["headroom"].to_list() == [even, even, None, even]


def test_what_sentences_do_to_later_ones_is_kept(tree: Path) -> None:
    place = next(tree.glob("one/correct*/problem_7"))
    (place / "step_importance.json").write_text((place / "step_importance_supp.json").read_text())
    edit("chunks_labeled", lambda c: c[3].update(depends_on=["1", "0", "x", "3"]))(place)
    run = converted(tree)
    assert scores(run, "depends_on")["score"].to_list() == [1, 1, 0, 0]
    matrix = pl.read_parquet(run / "matrices/depends_on/*7-one-correct*.parquet")
    assert matrix.filter(pl.col("value") == 1).select("target", "source").rows() == [(3, 0), (3, 1)]
    assert len(matrix) == 6
    resampled = scores(run, "sentence_resampling")["score"]
    np.testing.assert_allclose(resampled, [1.0, 1.0, -2.0, np.nan])
    assert scores(run, "sentence_resampling", FIRST.replace("one", "two"))["score"].is_nan().all()


def test_published_first_sentences_are_draws(tree: Path) -> None:
    place = next(tree.glob("one/correct*/problem_7"))
    drawn = {"0": [f" {CHUNKS[0]} "] * 4, "2": [CHUNKS[0], CHUNKS[1], "", CHUNKS[1]]}
    (place / "chunks_resampled.json").write_text(json.dumps(drawn))
    run = converted(tree, "semantic_entropy=true")
    rows = pl.read_parquet(run / "rollouts/*/*.parquet")
    assert set(rows["arm"]) == {"sentence"}
    assert rows.filter(boundary=0)["first_sentence"].to_list() == [CHUNKS[0]] * 4
    found = scores(run, "semantic_entropy")
    assert found["draws"].to_list() == [4, 0, 4, 0]
    three = -(0.5 * np.log(0.5) + 2 * 0.25 * np.log(0.25)) + 2 / 8
    np.testing.assert_allclose(found["score"], [0, np.nan, three, np.nan])
    assert len(found["half_a"][0]) == 20


def test_a_folder_that_holds_something_is_refused(tree: Path) -> None:
    runs = tree.parent / "runs"
    runs.mkdir()
    (runs / "run").mkdir()
    (runs / "run" / "notes.txt").touch()
    with pytest.raises(UserError, match=r"is no run folder \(it holds notes\.txt\)"):
        converted(tree)
    (runs / "run" / "notes.txt").unlink()
    converted(tree)  # an empty folder is as good as none
    with pytest.raises(UserError, match="holds a run already"):
        converted(tree)
    assert [path.name for path in runs.iterdir()] == ["run"]


def test_a_full_disk_leaves_nothing(tree: Path) -> None:
    with full_disk(3000), pytest.raises(UserError, match="cannot write"):
        converted(tree)
    assert not any((tree.parent / "runs").iterdir())


@pytest.mark.parametrize("where", ["nowhere", "tree.txt", "."])
def test_a_folder_of_another_layout_is_named(tmp_path: Path, where: str) -> None:
    (tmp_path / "tree.txt").touch()
    with pytest.raises(UserError, match=r"is no folder|they lie as MODEL/correct_base_solution"):
        converted(tmp_path / where)


WORD = st.text("abc.é\u3000", min_size=1, max_size=6).filter(lambda w: not w.isspace())
SPACE = st.text(" \n\t", max_size=3)


@given(st.lists(st.tuples(WORD, SPACE), min_size=1, max_size=8), SPACE)
def test_chunks_are_found_whatever_the_white_space(
    parts: list[tuple[str, str]], before: str
) -> None:
    text = before + "".join(word + space for word, space in parts)
    starts = locate(text, (0, len(text)), [word for word, _ in parts])
    assert starts[0] == 0
    assert all(a < b for a, b in pairwise(starts))
    for (word, _), start, stop in zip(parts, starts, [*starts[1:], len(text)], strict=True):
        assert "".join(text[start:stop].split()) == "".join(word.split())


def test_cuts_are_alike_if_they_differ_in_white_space_alone() -> None:
    text = "One sentence here. Another one here.\n\nA third one."
    starts = [0, 19, 38]
    assert same_boundaries(text, (0, len(text)), starts, offsets)
    assert same_boundaries(text, (0, len(text)), [0, 18, 36], offsets)
    assert not same_boundaries(text, (0, len(text)), [0, 20, 38], offsets)
    assert not same_boundaries(text, (0, len(text)), [0, 19], offsets)
