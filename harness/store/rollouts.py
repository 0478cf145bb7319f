"""Rollouts that are recorded, as the run folder has them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from harness.core import Cut, Rollouts, UserError
from harness.store import schema
from harness.store.files import parts
from harness.store.reading import scan_frames

AGAIN = "+"  # after the name of an arm: the continuations of its rollouts
PLACE = ["arm", "boundary", "draw", "cut"]

Key = tuple[str, int, Cut]  # arm, boundary and which rollout there


def drawn(run: Path) -> int:
    """How many rollouts are recorded in a run, the attempts at its traces included."""
    files = sorted(run.glob("rollouts/*/*.parquet"))
    needs = {"arm": schema.ROLLOUTS["arm"]}
    return int(scan_frames(files, needs).select(pl.len()).collect().item())


def drawn_arms(folder: Path) -> set[str]:
    """The arms of which rollouts of a trace are recorded, without the mark of continuations."""
    found = parts(folder, schema.ROLLOUTS, ["arm"])["arm"].unique().to_list()
    return {str(arm).removesuffix(AGAIN) for arm in found}


def keys(folder: Path) -> set[Key]:
    """What is recorded of a trace."""
    return set(_keys(parts(folder, schema.ROLLOUTS, PLACE)))


def written(folder: Path, wanted: Collection[Key]) -> dict[Key, tuple[int, ...]]:
    """The tokens of some recorded rollouts."""
    if not wanted:
        return {}
    frame = parts(folder, schema.ROLLOUTS, [*PLACE, "token_ids"])
    part = frame[[row for row, key in enumerate(_keys(frame)) if key in wanted]]
    return dict(zip(_keys(part), map(tuple, part["token_ids"]), strict=True))


def first_sentence_ids(folder: Path, arm: str) -> dict[tuple[int, int], tuple[int, ...]]:
    """The tokens of the first sentence of each recorded rollout, by boundary and draw."""
    columns = ["arm", "boundary", "draw", "token_ids", "first_sentence_stop"]
    frame = parts(folder, schema.ROLLOUTS, columns).filter(pl.col("arm") == arm)
    first = pl.col("token_ids").list.head("first_sentence_stop")
    found = frame.select("boundary", "draw", first).iter_rows()
    return {(boundary, draw): tuple(ids) for boundary, draw, ids in found}


@dataclass(frozen=True)
class First:
    """The tokens of a rollout's first sentence; `ended` where nothing is left to go on with."""

    ids: tuple[int, ...]
    ended: bool
    row: dict[str, Any]


def firsts(folder: Path, arms: Collection[str]) -> dict[tuple[str, int, int], First]:
    """How the recorded rollouts of some arms begin, by arm, boundary and draw.

    A rollout ended there if it has no further token and was not cut for having its sentence, or if
    it has no sentence: it closed the reasoning, and its answer stands.
    """
    if not arms:
        return {}
    frame = parts(folder, schema.ROLLOUTS).filter(pl.col("arm").is_in(list(arms)))
    found: dict[tuple[str, int, int], First] = {}
    for row in frame.iter_rows(named=True):
        stop = row["first_sentence_stop"]
        whole = stop == len(row["token_ids"]) and row["finish_reason"] != "sentence"
        ids = tuple(row["token_ids"][:stop])
        found[row["arm"], row["boundary"], row["draw"]] = First(ids, whole or not stop, row)
    return found


def load(folder: Path) -> dict[tuple[str, int], Rollouts]:
    """The recorded rollouts of a trace by arm and boundary, in the order of their draws."""
    return _load(folder, again=False)


def continued(folder: Path) -> dict[tuple[str, int], Rollouts]:
    """The recorded continuations of a trace's rollouts by arm and boundary."""
    return _load(folder, again=True)


def _load(folder: Path, *, again: bool) -> dict[tuple[str, int], Rollouts]:
    columns = [*PLACE, "origin", "answer", "correct", "first_sentence", "n_tokens", "routed"]
    frame = parts(folder, schema.ROLLOUTS, columns)
    frame = frame.filter(pl.col("arm").str.ends_with(AGAIN) == again).sort(PLACE)
    if len(frame.with_columns(pl.col("cut").fill_null([])).unique(PLACE)) < len(frame):
        raise UserError(f"{folder}: holds rollouts twice; remove the folder and run again")
    found: dict[tuple[str, int], Rollouts] = {}
    first = 0
    counts = frame.group_by("arm", "boundary", maintain_order=True).len()
    for arm, boundary, n in counts.iter_rows():
        group = frame.slice(first, n)
        found[arm.removesuffix(AGAIN), boundary] = _rollouts(boundary, group, again=again)
        first += n
    return found


def _rollouts(boundary: int, group: pl.DataFrame, *, again: bool) -> Rollouts:
    draws = group["draw"].to_numpy().astype(np.int64)
    return Rollouts(
        draws,
        tuple(group["answer"]),
        group["correct"].to_numpy().astype(bool),
        tuple(group["first_sentence"]),
        cuts=tuple(cut for _, _, cut in _keys(group)) if again else (),
        passing=frozenset(draws[group["origin"].to_numpy() < boundary].tolist()),
        n_tokens=_counts(group["n_tokens"]),
        routed=_counts(group["routed"]),
    )


def _counts(column: pl.Series) -> np.ndarray | None:
    """The numbers of a column; None where one was not recorded."""
    return None if column.null_count() else column.to_numpy().astype(np.int64)


def _keys(frame: pl.DataFrame) -> Iterator[Key]:
    """The rollouts of a frame, row by row; older files know no cuts."""
    for arm, boundary, draw, cut in frame.select(PLACE).iter_rows():
        yield arm.removesuffix(AGAIN), boundary, Cut(draw, tuple(cut or ()))
