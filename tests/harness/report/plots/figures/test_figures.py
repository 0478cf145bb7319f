"""The figures of single pairs, of trees, of methods one by one and of one trace."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from harness.report.plots import draw
from harness.report.plots.clusters import by_family, clusters, complete, distances
from harness.report.plots.figures import (
    by_k,
    control,
    dendrogram,
    enrichment,
    forest,
    matrix,
    peaks,
    reliability,
)
from harness.report.plots.gallery import NAMES, figures
from harness.report.plots.selection import among, informative, pairs, selection
from harness.report.plots.style import ONE_COLUMN, SMALL, styled
from harness.report.settings import Report
from harness.report.source import read, variants
from harness.store.files import slug
from tests.harness.frames import (
    add_matrix,
    agreement_of,
    by_k_of,
    enrichment_of,
    methods_of,
    write_wide,
)

CONF = Report(trace=None, dpi=50, example_traces=1, tracker=None)
BASELINES = ["position", "recency", "length", "chance", "lexicon", "surprisal", "headroom"]
WIDE = {
    "two": (["a", "b"], 0, 12),
    "three": (["resampling", "mi", "position"], 1, 6),
    "long": ([f"a_detector_by_somebody_else_{i}" for i in range(8)], 1, 24),
    "many": ([f"detector_number_{i:02d}__" for i in range(31)] + BASELINES, 7, 24),
}


def written(figure: Figure) -> list[tuple[Text, Bbox]]:
    """The texts that a figure shows and where they come to lie, in inches."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw_without_rendering()
    found = [(text, text.get_tightbbox(renderer)) for text in texts(figure) if text.get_text()]
    return [(text, Bbox(box.get_points() / figure.dpi)) for text, box in found if box.width > 0]


def texts(figure: Figure) -> list[Text]:
    """All texts but the labels of ticks that are outside of the limits or switched off."""
    found = [*figure.texts]
    for axes in [*figure.axes, *(child for parent in figure.axes for child in parent.child_axes)]:
        found += [*axes.texts, axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label]
        ticks = [tick for axis in (axes.xaxis, axes.yaxis) for tick in axis._update_ticks()]
        found += [t for tick in ticks for t in (tick.label1, tick.label2) if t.get_visible()]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("case", WIDE)
def test_texts_are_large_enough_inside_and_apart(case: str, tmp_path: Path):
    names, baselines, n_problems = WIDE[case]
    run = write_wide(tmp_path, names, baselines, n_problems=n_problems, undefined=0.05)
    with styled():
        drawn = {name: figure for name, figure, _ in figures(read(run), None)}
        assert drawn.keys() <= set(NAMES)
        for name, figure in drawn.items():
            assert figure.get_figwidth() == pytest.approx(ONE_COLUMN)
            found = written(figure)
            assert min(text.get_fontsize() for text, _ in found) >= SMALL
            for text, box in found:
                inside = box.x0 >= -0.01 and box.x1 <= ONE_COLUMN + 0.01
                inside &= box.y0 >= -0.01 and box.y1 <= figure.get_figheight() + 0.01
                assert inside, (name, text.get_text(), box)
            assert not overlapping(found), name


def overlapping(texts: list[tuple[Text, Bbox]]) -> list[tuple[str, str]]:
    """Texts that share more than the white above and below their letters."""
    found = []
    for i, (one, a) in enumerate(texts):
        for other, b in texts[:i]:
            wide = min(a.x1, b.x1) - max(a.x0, b.x0)
            high = min(a.y1, b.y1) - max(a.y0, b.y0)
            if wide > 0.012 and high > 0.012:
                found.append((other.get_text(), one.get_text()))
    return found


def test_a_figure_without_numbers_is_left_out_and_taken_away(tmp_path: Path):
    run = write_wide(tmp_path, ["a", "b", "c"], 0)
    first = {path.stem for path in draw(run, CONF)}
    others = {"agreement_all", "validations", "hybrid", "deletion", "sceptic", "dynamics"}
    assert first == set(NAMES) - others
    for name in ("agreement_by_k", "enrichment"):
        (run / f"{name}.parquet").unlink()
    methods = pl.read_parquet(run / "methods.parquet")
    nothing = pl.lit(None, pl.Float64)
    methods.drop("reliability_controlled").with_columns(reliability=nothing).write_parquet(
        run / "methods.parquet"
    )
    for path in [*run.glob("matrices/*/*"), run / "matrices" / "edges.parquet"]:
        path.unlink()
    for path in run.glob("tokens/a/*"):
        path.unlink()
    left = {"agreement", "forest", "dendrogram", "control", "position", "trace"}
    assert {path.stem for path in draw(run, CONF)} == left
    assert {path.stem for path in (run / "plots").iterdir()} == left


def test_variants_are_named_after_another_of_one_class():
    names = ["mi", "mi_linear", "mi_rollouts", "mirror", "rl", "rl_max"]
    classes = {"mi": "MI", "mi_linear": "MI", "mi_rollouts": "RolloutMI"}
    assert variants(names, classes) == {"mi_linear", "rl_max"}
    assert variants(names, {}) == {"mi_linear", "mi_rollouts", "rl_max"}


def test_of_many_methods_the_variants_get_their_own_figure(tmp_path: Path):
    names = [f"m{i}" for i in range(20)] + [f"m0_{i}" for i in range(6)]
    run = write_wide(tmp_path, names, 0)
    with styled():
        drawn = {name: figure for name, figure, _ in figures(read(run), None)}
    labels = [t.get_text() for t in drawn["agreement"].axes[0].get_yticklabels()]
    assert len(labels) == 20
    assert not [label for label in labels if "_" in label]
    assert len(drawn["agreement_all"].axes[0].get_yticklabels()) == 26


def pair(a: str, b: str, raw: float | None, value: float | None, half: float | None = None) -> dict:
    ends = (None, None) if half is None or value is None else (value - half, value + half)
    return {"a": a, "b": b, "value": raw, "low": None, "high": None, "ceiling": None,
            "n_problems": 12, "value_controlled": value, "low_controlled": ends[0],
            "high_controlled": ends[1], "ceiling_controlled": None,
            "n_problems_controlled": 12 if half is None else 11}  # fmt: skip


def frame(*rows: dict) -> pl.DataFrame:
    text, count = ("a", "b"), ("n_problems", "n_problems_controlled")
    types = {k: pl.String if k in text else pl.Int32 if k in count else pl.Float64 for k in rows[0]}
    return pl.DataFrame(rows, schema=types)


def test_pairs_stand_raw_beside_controlled():
    table = agreement_of(["a", "b", "c"])
    found = pairs(table, "position")
    assert found.select("a", "b").rows() == [("a", "b"), ("a", "c"), ("b", "c")]
    for control_name, end in (("none", ""), ("position", "_controlled")):
        part = table.filter(pl.col("control") == control_name)
        assert found[f"value{end}"].to_list() == part["value"].to_list()
        assert found[f"high{end}"].to_list() == part["high"].to_list()
    assert among(found, ["a", "c"]).select("a", "b").rows() == [("a", "c")]


def test_the_narrowest_intervals_are_kept_and_the_strongest_come_first():
    rows = frame(
        pair("a", "b", 0.9, 0.9, 0.3), pair("a", "c", 0.1, 0.0, 0.1), pair("a", "d", 0.4, 0.5, 0.2),
        pair("a", "e", 0.8, 0.8), pair("a", "f", 0.2, None),
    )  # fmt: skip
    assert informative(rows, 2)["b"].to_list() == ["d", "c"]
    assert informative(rows, 4)["b"].to_list() == ["b", "e", "d", "c"]
    assert selection(informative(rows, 2), 5).startswith("2 of 5 pairs: those with the narrowest")
    assert informative(rows, 9)["b"].to_list() == ["b", "e", "d", "c", "f"]


def test_distances_by_hand():
    rows = frame(pair("a", "b", 0.0, 0.25), pair("c", "a", 0.0, -0.5), pair("b", "c", 0.0, None))
    far = distances(rows, ["a", "b", "c"])
    assert np.array_equal(
        far, [[0, 0.75, 1.5], [0.75, 0, np.nan], [1.5, np.nan, 0]], equal_nan=True
    )


def test_average_linkage_by_hand_and_merges():
    # a and b join at .2; c joins both at the mean of .6 and .8.
    rows = frame(pair("a", "b", 0.0, 0.8), pair("a", "c", 0.0, 0.4), pair("b", "c", 0.0, 0.2))
    found = clusters(rows, ["a", "c", "b"])
    table = dendrogram.merges(found)
    assert table["distance"].to_list() == pytest.approx([0.2, 0.7])
    assert table["n_methods"].to_list() == [2, 3]
    assert set(table.select("left", "right").row(0)) == {"a", "b"}
    assert set(table.select("left", "right").row(1)) == {"c", "merge 0"}


def test_the_method_with_most_undefined_pairs_is_left_out():
    rows = frame(
        pair("a", "b", 0.0, 0.8), pair("a", "c", 0.0, None), pair("b", "c", 0.0, None),
        pair("a", "d", 0.0, 0.1), pair("b", "d", 0.0, 0.1), pair("c", "d", 0.0, 0.1),
    )  # fmt: skip
    found = clusters(rows, ["a", "b", "c", "d"])
    assert found.left_out == ["c"]
    assert sorted(found.order[:3]) == ["a", "b", "d"]
    assert found.order[3] == "c"
    assert clusters(rows, ["a"]).order == ["a"]
    assert clusters(rows, []).order == []


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 8), st.data())
def test_what_is_left_has_no_undefined_pair(n: int, data: st.DataObject):
    far = np.zeros((n, n))
    for i in range(n):
        for j in range(i):
            far[i, j] = far[j, i] = data.draw(st.sampled_from([0.5, np.nan]))
    kept = complete(far)
    assert not np.isnan(far[np.ix_(kept, kept)]).any()
    assert len(kept) >= min(n, 1)
    if not np.isnan(far).any():
        assert kept == list(range(n))


def test_families_stay_together_in_the_order_of_the_tree():
    families = {"a": "x", "b": "y", "c": "x", "d": "y"}
    assert by_family(["d", "a", "b", "c"], families) == [["d", "b"], ["a", "c"]]


def test_the_forest_says_how_many_it_shows_and_draws_few_problems_as_dots():
    table = agreement_of(["a", "b", "c"], n_problems=6)
    rows = pairs(table, "all")
    by_problem = table.with_columns(problem_id=pl.lit("p"))
    dots = forest.points(by_problem, rows, "all")
    assert dots["control"].unique().sort().to_list() == ["all", "none"]
    assert len(dots) == 6
    assert forest.points(by_problem, pairs(agreement_of(["a", "b"]), "all"), "all").is_empty()
    with styled():
        few = forest.figure(informative(rows, 2), dots.clear(), "all", len(rows))
        every = forest.figure(rows, dots, "all", len(rows))
    assert few.texts[0].get_text() == "2 of 3 pairs: those with the most problems"
    assert every.texts[0].get_text() == "all pairs"
    assert "dot: a problem" in every.texts[1].get_text()
    assert "dot" not in few.texts[1].get_text()


def test_curves_by_k_follow_the_pairs_and_leave_out_the_undefined():
    by = by_k_of(["a", "b", "c"])
    by = by.with_columns(value=pl.when(pl.col("fraction") > 0.1).then("value"))
    rows = frame(pair("b", "c", 0.0, 0.5), pair("a", "b", 0.0, 0.1))
    found = by_k.curves(by, rows)
    assert found.select("a", "fraction").rows() == [
        (a, f) for a in ("b", "a") for f in (0.2, 0.3, 0.5)
    ]


def test_pairs_are_ordered_by_how_far_the_control_moves_them():
    rows = frame(pair("a", "b", 0.5, 0.4), pair("a", "c", 0.5, -0.4), pair("a", "d", 0.9, None))
    assert control.moved(rows)["b"].to_list() == ["c", "b"]


def test_reliabilities_leave_out_methods_without_any():
    rows = reliability.reliabilities(methods_of([f"m{i}" for i in range(8)], 2))
    assert set(rows["method"]) == {"m0", "m1", "m2", "m3", "m5"}
    assert rows["reliability_controlled"].is_sorted(descending=True)
    without = methods_of(["a", "b"], 0).drop("reliability_controlled")
    assert reliability.reliabilities(without)["reliability_controlled"].null_count() == 2


def test_the_most_enriched_methods_are_drawn_and_the_infinite_are_null():
    rows = enrichment_of([f"m{i}" for i in range(30)])
    found = enrichment.strongest(rows)
    finite = rows.filter(pl.col("value").is_finite())
    size = dict(finite.group_by("method").agg(pl.col("value").abs().mean()).iter_rows())
    best = sorted(size, key=lambda name: -size[name])[: enrichment.MOST]
    assert found["method"].unique(maintain_order=True).to_list() == best
    assert len(found) == enrichment.MOST * rows["category"].n_unique()
    assert found["value"].drop_nulls().is_finite().all()


def test_each_category_of_each_method_is_coloured_framed_crossed_or_hatched():
    names = ["a", "b", "c"]
    rows = enrichment.strongest(enrichment_of(names))
    with styled():
        figure = enrichment.figure(rows, [["a"], ["b", "c"]], dict.fromkeys(names, "rl"), 3)
    hatched, never, coloured, framed = (list(c.get_paths()) for c in figure.axes[0].collections)
    sure = rows.filter((pl.col("low") > 0) | (pl.col("high") < 0)).drop_nulls("value")
    assert (len(hatched), len(never)) == (0, 1)
    assert (len(coloured), len(framed)) == (len(rows) - 1, len(sure))
    shown = [t.get_text() for t in figure.axes[0].texts]
    assert sorted(shown) == sorted(map(enrichment.tenths, rows["value"].drop_nulls()))
    assert [enrichment.tenths(v) for v in (-0.04, 0.26, -1.0, 12.0)] == [".0", ".3", "−1.0", "12.0"]


def test_an_interval_excludes_nothing_where_there_is_none():
    assert enrichment.excludes(0.1, 0.3)
    assert enrichment.excludes(-0.3, -0.1)
    assert not enrichment.excludes(-0.1, 0.3)
    assert not enrichment.excludes(None, None)


def test_peaks_are_drawn_of_detectors_that_declare_them(tmp_path: Path):
    run = write_wide(tmp_path, ["a", "b"], 0)
    source = read(run)
    trace_id = source.traces["trace_id"][0]
    sentences = source.sentences.filter(pl.col("trace_id") == trace_id)
    found = peaks.along(run, sentences, ["b", "a"])
    assert found["method"].unique().to_list() == ["a"]
    path = run / "tokens" / "a" / f"{slug(trace_id)}.parquet"
    stored = pl.read_parquet(path)
    assert found["value"].to_list() == stored["value"].to_list()
    assert found["token"].to_list() == list(range(len(stored)))
    inside = (found["start"] <= found["token"]) & (found["token"] < found["stop"])
    assert inside.all()
    with styled():
        figure = peaks.figure(found, "title")
    marks = figure.axes[0].lines[-1].get_xdata()
    assert list(marks) == stored.filter(pl.col("peak") > 0)["token"].to_list()
    assert len(marks) > 0


def test_a_matrix_lies_with_targets_downwards_and_known_edges_once(tmp_path: Path):
    values = np.arange(16.0).reshape(4, 4)
    add_matrix(tmp_path, "m", "t", values)
    rows = matrix.effects(tmp_path, "t", ["m", "other"])
    assert len(rows) == 6
    expected = np.where(np.tri(4, k=-1, dtype=bool), values, np.nan)[:, :3]
    dense = matrix.dense(rows)
    assert np.array_equal(dense[:, :3], expected, equal_nan=True)
    assert np.isnan(dense[:, 3]).all()
    true = rows.filter("dependent").select("target", "source").rows()
    assert true == [(2, 0), (3, 1)]
    assert matrix.effects(tmp_path, "nope", ["m"]).is_empty()


def test_without_edges_nothing_is_known_of_a_matrix(tmp_path: Path):
    add_matrix(tmp_path, "m", "t", np.ones((3, 3)))
    (tmp_path / "matrices" / "edges.parquet").unlink()
    rows = matrix.effects(tmp_path, "t", ["m"])
    assert rows["dependent"].null_count() == len(rows) == 3
    with styled():
        assert "dot" not in matrix.figure(rows, "t").texts[-1].get_text()
