"""What the model wrote instead of a sentence, and where that led."""

from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import polars as pl

from harness.analysis.mixed import HALVES, mixed
from harness.core import Draw
from harness.report.page.viewer.payload import clean
from harness.store.files import parts, slug
from harness.store.schema import ROLLOUTS

SHOWN = 12  # alternatives of a sentence
ARM = Draw(0, 1).arm
COLUMNS = ("boundary", "arm", "first_sentence", "answer", "correct")
GROUP = ("boundary", "answer", "correct")


def alternatives(
    run: Path, trace_id: str, repeats: pl.DataFrame | None = None
) -> dict[str, Any] | None:
    """The rollouts of one arm by boundary, grouped by answer; None where there are none.

    The arm is the one that detectors share, else that of rollouts that leave the trace's sentences,
    both its halves, else the one with most answers. Of each boundary the groups, largest first,
    with at most `SHOWN` first sentences in all and how often each came. Of those that leave, the
    groups have each answer's share of all rollouts, from `repeats`, too.
    """
    drawn = parts(run / "rollouts" / slug(trace_id), ROLLOUTS, COLUMNS)
    if drawn.is_empty():
        return None
    arms = _shown(drawn)
    drawn = drawn.filter(pl.col("arm").is_in(arms))
    groups = grouped(drawn)
    if arms == HALVES and repeats is not None:
        counted = drawn.group_by("arm", *GROUP).len("n").with_columns(trace_id=pl.lit(trace_id))
        shares = mixed(counted, repeats).drop("trace_id")
        groups = groups.join(shares, GROUP, how="full", coalesce=True, nulls_equal=True)
        by = ["boundary", -pl.col("share"), -pl.col("n"), "answer", "correct"]
        groups = groups.sort(by, nulls_last=True)
    boundaries = groupby(groups.iter_rows(named=True), itemgetter("boundary"))
    return {
        "arm": arms[0],
        "at": {str(at): [shown(group) for group in of] for at, of in boundaries},
    }


def _shown(drawn: pl.DataFrame) -> tuple[str, ...]:
    """The arms that are shown as one."""
    answered = drawn.group_by("arm").agg(pl.col("answer").count())
    arms = answered.sort(-pl.col("answer").cast(pl.Int64), "arm")["arm"].to_list()
    if ARM in arms:
        return (ARM,)
    return HALVES if HALVES[0] in arms else (arms[0],)


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
    if group["n"] is None:  # nobody who leaves here ends with it, but some who leave later
        group = {**group, "n": 0, "text": [], "times": []}
    texts = list(zip(group["text"], group["times"], strict=True))
    found = {**{key: group[key] for key in ("answer", "correct", "n")}, "texts": texts}
    return found if group.get("share") is None else found | {"share": round(group["share"], 4)}
