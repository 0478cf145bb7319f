"""What an answer is read from, as against what decides it: the sentences that lead to the result.

A choice decides the answer, what was made of it is read: once the sum is written, nobody needs to
look back at the plan to add.
"""

from collections.abc import Iterable

import polars as pl

RESULT = "RESULT"  # the kind that states the answer
VALUES = ("operand", "result")  # edges along which a value is handed on


def led_to(target: int, edges: Iterable[tuple[int, int]]) -> set[int]:
    """The sentences from which edges (source, target) lead to a sentence, itself left out."""
    before: dict[int, list[int]] = {}
    for source, end in edges:
        before.setdefault(end, []).append(source)
    found, new = set[int](), [target]
    while new:
        further = {source for end in new for source in before.get(end, ())} - found
        found |= further
        new = [*further]
    return found


def with_chain(sentences: pl.DataFrame, edges: pl.DataFrame) -> pl.DataFrame:
    """Sentences with `chain` and `read`, whether they lead to the result of their trace.

    `chain`: by edges of any kind, so choices with what was made of them; `read`: by edges that hand
    on a value, so executions alone. Both are null for the sentence that states the result, from
    which the answer is read whatever the trace, and in traces without one or without edges.
    `sentences` need a `kind`; `edges` have the columns of schema.EDGES.
    """
    given = {name: part for (name,), part in edges.group_by("trace_id")}
    stated = sentences.filter(pl.col("kind") == RESULT)
    found: list[tuple[str, int, bool, bool]] = []
    for (name,), part in sentences.group_by("trace_id", maintain_order=True):
        results = stated.filter(pl.col("trace_id") == name)["sentence"].to_list()
        if name in given and results:
            chain, read = (_of(given[name], results[-1], kinds) for kinds in (None, VALUES))
            rest = [i for i in part["sentence"].to_list() if i not in results]
            found += [(str(name), i, i in chain, i in read) for i in rest]
    types = {"trace_id": pl.String, "sentence": pl.Int32, "chain": pl.Boolean, "read": pl.Boolean}
    columns = pl.DataFrame(found, schema=types, orient="row")
    return sentences.join(columns, on=["trace_id", "sentence"], how="left")


def _of(edges: pl.DataFrame, target: int, kinds: Iterable[str] | None) -> set[int]:
    kept = edges if kinds is None else edges.filter(pl.col("kind").is_in(list(kinds)))
    return led_to(target, kept.select("source", "target").iter_rows())
