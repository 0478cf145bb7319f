"""The sentences that lead to a result, by hand."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.chain import led_to, with_chain
from harness.store.schema import EDGES

KINDS = ("PLAN", "EXEC", "CHECK", "BACK", "EXEC", "PLAN", "STYLE", "EXEC", "RECAP", "RESULT")
#        0       1       2        3       4       5       6        7       8        9
LINKS = [
    (0, 1, "operation"), (0, 2, "operation"), (2, 3, "review"), (3, 4, "operation"),
    (5, 7, "operation"), (4, 7, "operand"), (4, 8, "recap"), (7, 9, "result"),
]  # fmt: skip


def sentences(*names: str) -> pl.DataFrame:
    parts = [
        pl.DataFrame(
            {"trace_id": name, "sentence": range(len(KINDS)), "kind": KINDS},
            schema_overrides={"sentence": pl.Int32},
        )
        for name in names
    ]
    return pl.concat(parts)


def edges(name: str) -> pl.DataFrame:
    return pl.DataFrame([(name, *link) for link in LINKS], schema=dict(EDGES), orient="row")


def where(frame: pl.DataFrame, column: str) -> list[int]:
    return frame.filter(pl.col(column))["sentence"].to_list()


def test_choices_and_executions_lead_to_the_result_but_only_executions_are_read():
    found = with_chain(sentences("a"), edges("a"))
    # The first plan was thrown away; that it led to the review which chose anew still counts.
    assert where(found, "chain") == [0, 2, 3, 4, 5, 7]
    assert where(found, "read") == [4, 7]
    assert found.filter(pl.col("chain").is_null())["sentence"].to_list() == [9]
    assert found["read"].null_count() == 1


def test_a_trace_without_edges_or_without_a_result_is_not_judged():
    told = sentences("a", "b", "c")
    told = told.filter((pl.col("trace_id") != "c") | (pl.col("kind") != "RESULT"))
    found = with_chain(told, pl.concat([edges("a"), edges("c")]))
    assert found.height == told.height
    judged = found.filter(pl.col("chain").is_not_null())
    assert set(judged["trace_id"]) == {"a"}
    assert with_chain(told, edges("a").clear())["read"].null_count() == told.height


@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda e: e[0] < e[1])))
def test_led_to_is_the_closure_of_the_edges(links: set[tuple[int, int]]):
    slow = set(links)
    for _ in range(8):
        slow |= {(a, d) for a, b in slow for c, d in slow if b == c}
    assert led_to(7, links) == {a for a, b in slow if b == 7}
