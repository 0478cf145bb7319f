import math
import re
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy.stats import rankdata

from harness.core import UserError
from harness.report.format import decimal, interval
from harness.report.plots import draw
from harness.report.plots.figures import agreement, position, trace
from harness.report.plots.gallery import figures
from harness.report.plots.ranks import with_ranks
from harness.report.plots.saving import save
from harness.report.plots.style import ROOM, drawable, inches, label, places, shorten, styled
from harness.report.settings import Report
from harness.report.source import read
from harness.store import schema
from tests.harness.synthetic import HOSTILE, write_run

CONF = Report(trace=None, dpi=50, example_traces=2, tracker=None)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("plots") / "run")


def scores_of(values: list[float | None], method: str = "m", trace_id: str = "t") -> pl.DataFrame:
    return pl.DataFrame(
        {"score": values, "sentence": range(len(values))},
        schema={"score": pl.Float64, "sentence": pl.Int32},
    ).with_columns(
        method=pl.lit(method), trace_id=pl.lit(trace_id), problem_id=pl.lit(f"p-{trace_id}")
    )


def texts(figure: Figure) -> list[str]:
    return [t.get_text() for axes in figure.axes for t in axes.texts]


def row(a: str, b: str, control: str, value: float | None, low: float | None = None) -> dict:
    high = None if low is None else 2 * value - low
    return {"model": "m", "a": a, "b": b, "statistic": "spearman", "control": control,
            "value": value, "low": low, "high": high, "n_problems": 12}  # fmt: skip


def test_draw_writes_three_files_a_figure_and_leaves_no_part(run: Path):
    written = draw(run, CONF)
    names = {
        f"{n}.{kind}"
        for n in ("agreement", "forest", "dendrogram", "control", "position", "trace")
        for kind in ("png", "svg", "csv")
    }
    assert {path.name for path in written} == names == {p.name for p in (run / "plots").iterdir()}
    for path in written:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
        elif path.suffix == ".svg":
            assert ET.parse(path).getroot().tag.endswith("svg")
        else:
            assert len(pl.read_csv(path)) > 0


def test_the_same_numbers_give_the_same_bytes(tmp_path: Path):
    strip = with_ranks(scores_of([1.0, None, 3.0])).with_columns(text=pl.lit("a"))
    for name in ("first", "second"):
        with styled():
            save(trace.figure(strip, ["m"], [], "t"), strip.drop("top"), tmp_path / name, 50)
    for kind in ("png", "svg", "csv"):
        first, second = ((tmp_path / f"{n}.{kind}").read_bytes() for n in ("first", "second"))
        assert first == second


def test_hostile_text_neither_warns_nor_breaks_the_figure(tmp_path: Path):
    strip = with_ranks(scores_of([float(i) for i in range(len(HOSTILE))]))
    strip = strip.with_columns(text=pl.Series(HOSTILE))
    with warnings.catch_warnings(), styled():
        warnings.simplefilter("error")
        figure = trace.figure(strip, ["m", "$\\frac{"], [], "\x00 <b> -->")
        written = save(figure, strip, tmp_path / "trace", 50)
    tags = {element.tag.rpartition("}")[2] for element in ET.parse(written[1]).getroot().iter()}
    assert "use" in tags
    assert not tags & {"script", "img", "b"}


def test_ranks_by_hand():
    ranked = with_ranks(scores_of([3.0, None, 1.0, 3.0, 2.0]))
    assert ranked["rank"].to_list() == [0.75, None, 0.125, 0.75, 0.375]
    assert ranked["top"].to_list() == [False] * 5  # two share the first place of one
    assert with_ranks(scores_of([1.0, 5.0]))["top"].to_list() == [False, True]
    assert with_ranks(scores_of([float("nan"), 1.0]))["rank"].to_list() == [None, 0.5]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.none() | st.integers(-3, 3), min_size=1, max_size=40))
def test_ranks_match_scipy_and_centre_on_a_half(values: list[int | None]):
    ranked = with_ranks(scores_of([None if v is None else float(v) for v in values]))
    defined = [v for v in values if v is not None]
    slow = iter((rankdata(defined) - 0.5) / max(1, len(defined)))
    expected = [None if v is None else next(slow) for v in values]
    assert ranked["rank"].to_list() == pytest.approx(expected)
    assert ranked["top"].sum() <= max(1, round(0.1 * len(defined)))
    if defined:
        assert ranked["rank"].mean() == pytest.approx(0.5)


def test_tenths_of_a_trace_do_not_depend_on_where_numbering_starts():
    for start in (0, 1, 7):
        sentences = pl.DataFrame({"trace_id": "t", "sentence": range(start, start + 20)})
        assert position.tenths(sentences)["bin"].to_list() == [i // 2 for i in range(20)]
    one = pl.DataFrame({"trace_id": ["t"], "sentence": [0]})
    assert position.tenths(one)["bin"].to_list() == [5]


def test_curves_average_over_problems_not_over_traces():
    rising, falling = list(map(float, range(10))), list(map(float, range(9, -1, -1)))
    # Two rising traces of one problem and a falling one of another: the mean is flat.
    parts = [scores_of(rising, trace_id="a"), scores_of(rising, trace_id="b")]
    parts = [part.with_columns(problem_id=pl.lit("p")) for part in parts]
    parts.append(scores_of(falling, trace_id="c").with_columns(problem_id=pl.lit("q")))
    scores = pl.concat(parts)
    found = position.curves(scores, scores.select("trace_id", "sentence"))
    assert found["mean"].to_list() == pytest.approx([0.5] * 10)
    assert found["n_problems"].to_list() == [2] * 10
    assert found["low"][0] == pytest.approx(0.05 + 0.25 * 0.9)


def test_an_undefined_bin_is_no_point_of_the_curve():
    scores = scores_of([1.0] * 9 + [None])
    found = position.curves(scores, scores.select("trace_id", "sentence"))
    assert found["bin"].to_list() == list(range(9))


def heat_map(rows: list[dict], names: str, baselines: str = "") -> Figure:
    """The heat map of methods of one letter."""
    found = agreement.correlations(pl.DataFrame(rows, schema=schema.AGREEMENT), "position")
    families = dict.fromkeys(names, "f") | dict.fromkeys(baselines, "baseline")
    known = agreement.known(found, families)
    groups = [[n for n in known if n in names], [n for n in known if n in baselines]]
    with styled():
        return agreement.figure(found, groups, families, "position")


def test_raw_stands_above_the_diagonal_and_controlled_below():
    # The names come in the other order than in the rows.
    figure = heat_map([row("b", "a", "none", 0.5), row("b", "a", "position", -0.25)], "ab")
    at = {t.get_text(): t.get_position() for t in figure.axes[0].texts}
    assert at == {".50": (1.5, 0.5), "−.25": (0.5, 1.5)}


def test_the_side_of_a_square_is_its_ceiling():
    rows = [row("a", "b", "none", 0.5) | {"ceiling": 0.8}, row("a", "b", "position", 0.5)]
    rows += [row("a", "c", "none", 0.5) | {"ceiling": 1.2}]
    squares = heat_map(rows, "abc").axes[0].collections[1].get_paths()
    boxes = [path.get_extents().bounds for path in squares]
    assert boxes[0] == pytest.approx((1.1, 0.1, 0.8, 0.8))
    assert boxes[1] == pytest.approx((0, 1, 1, 1))
    assert boxes[2] == pytest.approx((2, 0, 1, 1))


def test_undefined_cells_are_hatched_and_bear_no_number():
    rows = [row("a", "b", "none", 0.5), row("a", "b", "position", None)]
    rows += [row("a", "c", "none", 0.125), row("a", "c", "position", math.nan)]
    figure = heat_map(rows, "abc")
    assert texts(figure) == [".50", ".12"]
    hatched = figure.axes[0].collections[2]
    assert hatched.get_hatch()
    assert [path.get_extents().min.tolist() for path in hatched.get_paths()] == [[0, 1], [0, 2]]


def test_names_are_numbered_where_the_columns_are_too_narrow():
    assert agreement.columns(["name"] * 3, 3.0) == (["name"] * 3, agreement.WIDEST)
    names, cell = agreement.columns(["name"] * 60, 60.0)
    assert names[59] == "name 60"
    assert cell < agreement.NAMED


def test_a_baseline_without_any_value_is_left_out_and_a_detector_is_not():
    rows = [row("a", "b", "none", 0.5), row("a", "x", "none", None), row("a", "c", "none", None)]
    figure = heat_map(rows, "abc", "x")
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["a", "b", "c"]


def test_a_method_that_the_control_takes_out_has_no_hatched_cells():
    rows = [row("a", "b", "none", 0.5), row("a", "b", "position", None) | {"verdict": "undecided"}]
    rows += [row("a", "c", "none", 0.25), row("a", "c", "position", None)]
    hatched = heat_map(rows, "abc").axes[0].collections[2]
    assert [path.get_extents().min.tolist() for path in hatched.get_paths()] == [[0, 1]]


def test_the_truth_is_drawn_apart_and_is_no_detector(tmp_path: Path):
    folder = write_run(tmp_path / "run")
    methods = pl.read_parquet(folder / "methods.parquet")
    truth = pl.when(pl.col("method") == "mi").then(pl.lit("truth")).otherwise("family")
    methods.with_columns(family=truth).write_parquet(folder / "methods.parquet")
    source = read(folder)
    assert "mi" not in source.detectors
    assert source.truths == ["mi"]
    assert source.methods_in_order[len(source.detectors)] == "mi"
    frames = {name: rows for name, _, rows in figures(source, None)}
    for name in ("forest", "control"):
        assert "mi" not in {*frames[name]["a"], *frames[name]["b"]}
    assert "mi" in set(frames["trace"]["method"])


def test_an_empty_agreement_frame_draws_an_empty_figure():
    assert texts(heat_map([], "ab")) == []


def test_places_leave_a_gap_only_between_two_groups():
    assert places(["a", "b"], ["c"]) == {"a": 0.0, "b": 1.0, "c": 2.3}
    assert places([], ["c"]) == {"c": 0.0}
    assert places(["a"], [], ["c"], ["d"]) == pytest.approx({"a": 0.0, "c": 1.3, "d": 2.6})
    assert places() == {}


def test_a_long_name_is_cut_in_its_middle():
    assert label("suppression_published") == "suppression_published"
    cut = label("resampling_of_something_long")
    assert re.fullmatch(r"resampling.*….*thing_long", cut)
    assert 0.9 * ROOM < inches([cut]) <= ROOM
    assert label("abcdefgh", 0.2) == "a…h"


def sized(sizes: dict[str, int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    parts = [scores_of([1.0] * n, trace_id=t) for t, n in sizes.items()]
    scores = pl.concat(parts)
    return scores.select("trace_id", "sentence"), scores


def test_the_longest_short_trace_is_drawn_unless_one_is_named():
    sentences, scores = sized({"a": 39, "b": 40, "c": 12, "d": 90})
    assert trace.choose(sentences, scores, None) == ["a", "c", "b", "d"]
    assert trace.choose(sentences, scores, "d") == ["d", "a", "c", "b"]
    with pytest.raises(UserError, match=r"report.trace.*nope"):
        trace.choose(sentences, scores, "nope")


def test_one_trace_a_problem_and_none_without_scores():
    sentences, scores = sized({"a": 39, "b": 38, "c": 37})
    scores = scores.with_columns(
        problem_id=pl.col("trace_id").replace({"a": "p", "b": "p", "c": "q"})
    )
    assert trace.choose(sentences, scores, None) == ["a", "c"]
    undefined = pl.when(pl.col("trace_id") != "a").then("score")
    assert trace.choose(sentences, scores.with_columns(score=undefined), None) == ["b", "c"]


def test_a_long_trace_is_cut_and_the_figure_says_so():
    n = trace.MOST_SENTENCES + 5
    strip = with_ranks(scores_of(list(map(float, range(n))))).with_columns(text=pl.lit("x"))
    with styled():
        figure = trace.figure(strip, ["m"], [], "title")
    assert figure.get_figheight() * 300 < 2**16
    assert any("5 further sentences" in t.get_text() for t in figure.texts)


def test_source_keeps_undefined_as_null(run: Path):
    source = read(run)
    mi = source.scores.filter(pl.col("method") == "mi")["score"]
    stored = pl.read_parquet(run / "scores" / "mi.parquet")["score"]
    assert 0 < mi.null_count() == np.isnan(stored.to_numpy()).sum()
    assert mi.is_nan().sum() == 0
    assert source.detectors[-1] == "transplant"
    assert "position" in source.baselines


def test_a_folder_that_is_no_run_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"traces\.parquet"):
        draw(tmp_path, CONF)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.5, ".50"),
        (-0.126, "−.13"),
        (1.0, "1.00"),
        (-0.001, ".00"),
        (0.999, "1.00"),
        (None, "n/a"),
    ],
)
def test_decimals(value: float | None, text: str):
    assert decimal(value) == text


def test_interval_needs_both_ends():
    assert interval(-0.5, 0.25) == "[−.50, .25]"
    assert interval(None, 0.25) == interval(0.1, None) == "no interval"


def test_text_for_figures():
    assert drawable("a\x00b\u202e汉é≤") == "a\ufffdb\ufffd\ufffdé≤"
    assert shorten("  one\n two ", 20) == "one two"
    assert shorten("abcdefgh", 5) == "abcd…"
    assert len(shorten("word " * 50, 30)) <= 30
