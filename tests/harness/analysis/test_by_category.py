import polars as pl
import pytest

from harness.analysis.by_category import by_category


def frames(scores: dict[str, list[float]], kinds: list[str | None]) -> tuple[pl.DataFrame, ...]:
    rows = [
        (name, f"{name}#0", i, score, kind)
        for name, values in scores.items()
        for i, (score, kind) in enumerate(zip(values, kinds, strict=True))
    ]
    columns = ["problem_id", "trace_id", "sentence", "score", "category"]
    whole = pl.DataFrame(rows, schema=columns, orient="row")
    return whole.drop("category"), whole.select("trace_id", "sentence", "category")


def test_a_score_that_is_its_category_is_told_by_it():
    scores = {"p": [1.0, 2.0, 3.0, 2.0], "q": [1.0, 2.0, 3.0, 2.0]}
    assert by_category(*frames(scores, ["a", "b", "c", "b"])) == pytest.approx(1)


def test_what_other_problems_say_is_all_that_counts():
    # In p the categories rank a < b, in q b < a: what the other says is the wrong way round.
    turned = {"p": [1.0, 1.0, 2.0], "q": [2.0, 2.0, 1.0]}
    assert by_category(*frames(turned, ["a", "a", "b"])) == pytest.approx(-1)


def test_without_categories_other_problems_or_a_defined_score_there_is_no_value():
    nan = float("nan")
    for scores, kinds in [
        ({"p": [1.0, 2.0], "q": [1.0, 2.0]}, [None, None]),
        ({"p": [1.0, 2.0]}, ["a", "b"]),
        ({"p": [nan, nan], "q": [nan, nan]}, ["a", "b"]),
        ({"p": [1.0, 2.0], "q": [1.0, 2.0]}, ["a", "a"]),
    ]:
        assert by_category(*frames(scores, kinds)) is None
