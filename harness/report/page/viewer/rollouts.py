"""What the model wrote instead of a sentence, and where that led."""

from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import polars as pl

from harness.core import Draw
from harness.report.page.viewer.payload import clean
from harness.store.files import parts, slug
from harness.store.schema import ROLLOUTS

SHOWN = 12  # alternatives of a sentence
ARM = Draw(0, 1).arm
COLUMNS = ("boundary", "arm", "first_sentence", "answer", "correct")
GROUP = ("boundary", "answer", "correct")


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
    groups = grouped(drawn.filter(pl.col("arm") == arm))
    boundaries = groupby(groups.iter_rows(named=True), itemgetter("boundary"))
    return {"arm": arm, "at": {str(at): [shown(group) for group in of] for at, of in boundaries}}


def grouped(drawn: pl.DataFrame) -> pl.DataFrame:
    """A row a boundary and answer: `n` rollouts, and of a sample of them `text` and `times`.

    The sample of a boundary, `SHOWN` first sentences at most, takes turns between its answers, so
    that none hides the others; from each it takes what came most often.
    """
    text, n = pl.col("text"), pl.len().cast(pl.Int64)
    texts = pl.col("first_sentence").fill_null("").str.strip_chars().alias("text")
    counted = drawn.lazy().group_by(*GROUP, texts).agg(times=n)
    ordered = counted.with_columns(n=pl.col("times").sum().over(GROUP)).sort(
        "boundary", -pl.col("n"), "answer", "correct", -pl.col("times"), "text"
    )
    turn = ordered.with_columns(turn=pl.int_range(n).over(GROUP))
    turns = turn.sort("boundary", "turn", maintain_order=True)
    shown = (text != "") & ((text != "").cum_sum().over("boundary") <= SHOWN)
    of_group = turns.with_columns(shown=shown).group_by(*GROUP, maintain_order=True)
    sample = (clean(text).filter("shown"), pl.col("times").filter("shown"))
    return of_group.agg(pl.col("n").first(), *sample).collect()


def shown(group: dict[str, Any]) -> dict[str, Any]:
    """An answer as the page reads it."""
    texts = list(zip(group["text"], group["times"], strict=True))
    return {**{key: group[key] for key in ("answer", "correct", "n")}, "texts": texts}
