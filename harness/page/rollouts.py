"""What the model wrote instead of a sentence, and where that led."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice, zip_longest
from operator import itemgetter
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
Said = tuple[str, int]  # a first sentence and how often it came


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
    boundaries = groupby(counted.iter_rows(), itemgetter(0))
    return {"arm": arm, "at": {str(boundary): grouped(rows) for boundary, rows in boundaries}}


def grouped(rows: Iterable[tuple[int, str | None, bool | None, str, int]]) -> list[Group]:
    """One boundary: answers with their counts and a sample of the sentences that led there.

    A row: boundary, answer, whether it is correct, first sentence, how often all that was drawn.
    """
    found: dict[tuple[str | None, bool | None], list[Said]] = {}
    for _, answer, correct, text, n in rows:
        found.setdefault((answer, correct), []).append((text, n))
    counts = {key: sum(n for _, n in drawn) for key, drawn in found.items()}
    order = sorted(found, key=lambda key: -counts[key])
    said: dict[int, list[Said]] = {i: [] for i in range(len(order))}
    for at, sentence in sampled([iter(found[key]) for key in order]):
        said[at].append(sentence)
    return [
        {"answer": key[0], "correct": key[1], "n": counts[key], "said": said[i]}
        for i, key in enumerate(order)
    ]


def sampled(pools: Sequence[Iterator[Said]]) -> list[tuple[int, Said]]:
    """The first `SHOWN` sentences, taken in turns so that no answer hides the others."""
    rounds = zip_longest(*pools)
    turns = ((i, said) for taken in rounds for i, said in enumerate(taken) if said and said[0])
    return list(islice(turns, SHOWN))
