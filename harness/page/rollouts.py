"""What the model wrote instead of a sentence, and where that led."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import polars as pl

from harness.page.payload import clean
from harness.schema import ROLLOUTS
from harness.store import parts, slug
from harness.types import Draw

SHOWN = 12  # alternatives of a sentence
ARM = Draw(0, 1).arm
COLUMNS = ("boundary", "arm", "first_sentence", "answer", "correct")

Group = dict[str, Any]


def alternatives(run: Path, trace_id: str) -> dict[str, Any] | None:
    """The rollouts of one arm by boundary, grouped by answer; None where there are none.

    The arm is the one that detectors share, else the one with most answers. Of each boundary the
    groups, largest first, with at most `SHOWN` first sentences in all and how often each came.
    """
    drawn = parts(run / "rollouts" / slug(trace_id), ROLLOUTS, COLUMNS)
    if drawn.is_empty():
        return None
    answered = drawn.group_by("arm").agg(pl.col("answer").count())
    arm = answered.sort(pl.col("arm") != ARM, -pl.col("answer").cast(pl.Int64), "arm")["arm"][0]
    texts = clean(pl.col("first_sentence").fill_null("").str.strip_chars())
    counted = (
        drawn.filter(pl.col("arm") == arm)
        .group_by("boundary", "answer", "correct", texts)
        .len()
        .sort("boundary", "answer", -pl.col("len").cast(pl.Int64), "first_sentence")
    )
    by_boundary = counted.partition_by("boundary", maintain_order=True, as_dict=True)
    return {"arm": arm, "at": {str(k[0]): grouped(part) for k, part in by_boundary.items()}}


def grouped(counted: pl.DataFrame) -> list[Group]:
    """One boundary: answers with their counts and a sample of the sentences that led there."""
    groups = [
        {"answer": key[0], "correct": key[1], "n": int(part["len"].sum()), "said": part}
        for key, part in counted.group_by("answer", "correct", maintain_order=True)
    ]
    groups.sort(key=lambda group: -group["n"])
    pools = [group["said"].select("first_sentence", "len").iter_rows() for group in groups]
    for group in groups:
        group["said"] = []
    for at, text, n in sampled(pools):
        groups[at]["said"].append([text, n])
    return groups


def sampled(pools: list[Iterator[tuple[str, int]]]) -> list[tuple[int, str, int]]:
    """The first `SHOWN` sentences, taken in turns so that no answer hides the others."""
    rounds = zip_longest(*pools)
    turns = ((i, said) for taken in rounds for i, said in enumerate(taken) if said and said[0])
    return [(i, *said) for _, (i, said) in zip(range(SHOWN), turns, strict=False)]
