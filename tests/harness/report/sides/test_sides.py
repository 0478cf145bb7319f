from pathlib import Path

import polars as pl
import pytest
from rich.console import Console
from scipy import stats

from harness.claims import claims_frame
from harness.core import UserError
from harness.report.sides.page import render
from harness.report.sides.sides import differences, side, table
from harness.store.files import write_frame
from tests.harness.claims.made import claim, frames
from tests.harness.claims.test_table import NO, YES
from tests.harness.comparing import load
from tests.harness.report.page.test_document import Document
from tests.harness.synthetic import write_run

CONF = load()
PAIR = ("attention", "resampling")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("sides")
    return write_run(folder / "one", seed=1), write_run(folder / "<b>two", seed=2)


def of_pair(run: Path, *names: str) -> pl.DataFrame:
    frame = pl.read_parquet(run / "agreement_by_problem.parquet")
    both = pl.col("a").is_in(names) & pl.col("b").is_in(names)
    return frame.filter(both, statistic="spearman", control="position").sort("problem_id")


def test_the_same_problems_are_compared_one_by_one(runs: tuple[Path, Path]):
    one, two = (side(run) for run in runs)
    found = {(d.a, d.b): d for d in differences(one, two, CONF)}
    values = [of_pair(run, *PAIR)["value"].to_numpy() for run in runs]
    row = found[PAIR]
    assert row.paired
    assert row.difference.value == pytest.approx((values[1] - values[0]).mean())
    assert row.first.value == pytest.approx(values[0].mean())
    ends = stats.t.interval(0.95, 11, row.difference.value, stats.sem(values[1] - values[0]))
    assert (row.difference.low, row.difference.high) == pytest.approx(ends)
    order = [abs(d.difference.value or 0) for d in found.values()]
    assert order == sorted(order, reverse=True)
    assert ("position", "resampling") not in found


def test_other_problems_are_independent(runs: tuple[Path, Path], tmp_path: Path):
    other = write_run(tmp_path / "other", seed=3)
    path = other / "agreement_by_problem.parquet"
    frame = pl.read_parquet(path)
    frame.with_columns(problem_id=pl.concat_str(pl.lit("q"), "problem_id")).write_parquet(path)
    found = {(d.a, d.b): d for d in differences(side(runs[0]), side(other), CONF)}
    values = [of_pair(run, *PAIR)["value"].to_numpy() for run in (runs[0], other)]
    welch = stats.ttest_ind(values[1], values[0], equal_var=False).confidence_interval()
    row = found[PAIR]
    assert not row.paired
    assert (row.difference.low, row.difference.high) == pytest.approx((welch.low, welch.high))


def test_a_run_beside_itself_differs_nowhere(runs: tuple[Path, Path]):
    one = side(runs[0])
    for row in differences(one, one, CONF):
        assert row.difference.value == row.difference.low == row.difference.high == 0


def test_what_cannot_be_compared_is_named(runs: tuple[Path, Path], tmp_path: Path):
    other = write_run(tmp_path / "other", n_problems=10)
    path = other / "agreement.parquet"
    frame = pl.read_parquet(path)
    frame.with_columns(statistic=pl.lit("topdown")).write_parquet(path)
    with pytest.raises(UserError, match=r"its statistic is topdown, that of .* spearman"):
        differences(side(runs[0]), side(other), CONF)
    names = pl.concat_str(pl.lit("x_"), "a")
    frame.with_columns(a=names).write_parquet(path)
    with pytest.raises(UserError, match="have no two detectors in common"):
        differences(side(runs[0]), side(other), CONF)
    with pytest.raises(UserError, match="has no traces"):
        side(tmp_path)


def test_the_page_shows_both_and_runs_nothing(runs: tuple[Path, Path]):
    write_frame(runs[0] / "claims.parquet", claims_frame({"so": claim(YES)}, frames({})))
    write_frame(runs[1] / "claims.parquet", claims_frame({"so": claim(NO)}, frames({})))
    sides = tuple(side(run) for run in runs)
    found = differences(*sides, CONF)
    page = render(sides, found, runs[1])
    assert page == runs[1] / "compare-one.html"
    html = page.read_text(encoding="utf-8")
    document = Document(html)
    assert "script" not in {tag for tag, _ in document.elements}
    assert "<b>two" not in html
    assert "&lt;b&gt;two" in html
    assert html.count("supported<small>") == html.count("contradicted<small>") == 1
    console = Console(width=100, record=True)
    console.print(table(sides, found))
    assert "attention ~ " in console.export_text()
