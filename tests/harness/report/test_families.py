from pathlib import Path

import polars as pl
import pytest
from scipy import stats

from harness.report.families import families
from harness.report.page import families as page
from harness.store import schema
from harness.store.files import write_frame
from tests.harness.comparing import load

CONF = load()
FAMILY = {"a": "interpretability", "a_x": "interpretability", "b": "interpretability", "c": "rl"}


def dots(**values: float) -> pl.DataFrame:
    """Each pair, of names, with this value, a hundredth more from problem to problem."""
    rows = [
        {"model": "m", "problem_id": f"p{i:02}", "a": pair.split("__")[0], "b": pair.split("__")[1],
         "statistic": statistic, "control": control, "value": value + 0.01 * i}
        for pair, value in values.items()
        for i in range(12)
        for statistic in ("topdown", "spearman")
        for control in ("none", "structure", "all")
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=schema.AGREEMENT_BY_PROBLEM)


def test_means_over_pairs_then_problems_with_the_interval_of_these():
    found = families(dots(a__c=0.1, b__c=0.3, a__b=-0.2), FAMILY, set(), CONF)
    row = found.filter(measure="interpretability ~ rl", statistic="topdown", control="none")
    assert row["value"].item() == pytest.approx(0.2 + 0.055)
    assert (row["n_pairs"].item(), row["n_problems"].item()) == (2, 12)
    values = [0.2 + 0.01 * i for i in range(12)]
    ends = stats.t.interval(0.95, 11, sum(values) / 12, stats.sem(values))
    assert row.select("low", "high").row(0) == pytest.approx(ends)
    within = found.filter(measure="within interpretability", statistic="spearman", control="all")
    assert within["value"].item() == pytest.approx(-0.2 + 0.055)
    assert set(found["measure"]) == {"interpretability ~ rl", "within interpretability"}


def test_a_variant_is_no_pair_with_what_it_varies_nor_one_of_others():
    given = dots(a__a_x=0.9, a__b=0.1, b__c=0.5)
    row = families(given, FAMILY, {"a_x"}, CONF).filter(measure="within interpretability").row(0)
    assert row[4] == pytest.approx(0.1 + 0.055)
    both = families(given, FAMILY, set(), CONF).filter(measure="within interpretability").row(0)
    assert both[4] == pytest.approx(0.5 + 0.055)


def test_methods_that_do_not_count_take_no_part():
    found = families(dots(a__c=0.1, b__c=0.9), {"a": "x", "c": "y"}, set(), CONF)
    assert found["n_pairs"].unique().to_list() == [1]
    assert families(dots(), FAMILY, set(), CONF).schema == schema.FAMILIES


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (0.5, "Interpretability and RL detectors share more top sentences than chance."),
        (-0.5, "Interpretability and RL detectors share fewer top sentences than chance."),
        (-0.055, "Interpretability and RL detectors share neither more nor fewer top sentences "
                 "than chance, as far as 12 problems go."),
    ],
)  # fmt: skip
def test_each_has_a_sentence_and_three_numbers(tmp_path: Path, value: float, sentence: str):
    frame = families(dots(a__c=value, a__b=0.0), FAMILY, set(), CONF)
    write_frame(tmp_path / "families.parquet", frame)
    between, within = page.families(tmp_path)
    assert between["sentence"] == sentence
    assert [v.value for v in between["values"]] == pytest.approx([value + 0.055] * 3)
    assert (between["name"], between["control"]) == ("interpretability ~ RL", "structure")
    assert within["name"] == "within interpretability"
    assert within["within"]


def test_few_problems_are_judged_by_nothing(tmp_path: Path):
    few = dots(a__c=0.5).filter(pl.col("problem_id") < "p05")
    write_frame(tmp_path / "families.parquet", families(few, FAMILY, set(), CONF))
    (row,) = page.families(tmp_path)
    assert row["sentence"].endswith("cannot be judged: 5 problems are too few.")


def test_a_run_without_the_frame_shows_none(tmp_path: Path):
    assert page.families(tmp_path) == []
