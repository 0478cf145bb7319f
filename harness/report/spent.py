"""What was drawn: tokens by arm, each rollout counted once where it was drawn."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from harness.store import schema
from harness.store.light import drawn_there
from harness.store.reading import read_json, scan_frames
from harness.store.rollouts import AGAIN

COLUMNS = ("trace_id", "arm", "boundary", "draw", "origin", "n_tokens", "first_sentence_stop")


def tokens_by_arm(run: Path) -> dict[str, int]:
    """Tokens that were written for each arm of a run, continuations with theirs.

    A rollout that serves further boundaries counts where it began. What goes on behind a rollout of
    another arm counts from there on, and not at all where it was handed on as it ended. Where the
    rollouts were left out, what was counted before.
    """
    if (kept := drawn_there(run)) is not None:
        return dict(kept)
    found: dict[str, int] = {}
    for folder in sorted(path for path in (run / "rollouts").glob("*") if path.is_dir()):
        files = sorted(folder.glob("*.parquet"))
        if files:
            needs: dict[str, Any] = {key: schema.ROLLOUTS[key] for key in (*COLUMNS, "seed")}
            rows = scan_frames(files, needs).collect()
            for arm, tokens in _drawn(rows, read_json(folder / "arms.json")).items():
                found[arm] = found.get(arm, 0) + tokens
    return found


def _drawn(rows: pl.DataFrame, meanings: Mapping[str, Any]) -> dict[str, int]:
    rows = rows.filter(pl.col("origin").is_null() | (pl.col("origin") == pl.col("boundary")))
    behind = {arm: meant.get("of", "") for arm, meant in meanings.items() if meant.get("of")}
    if not behind:  # as mostly: a join less for every trace
        plain = rows.group_by("arm").agg(tokens=pl.col("n_tokens").sum())
        return {str(arm): int(tokens or 0) for arm, tokens in plain.iter_rows()}
    of = rows["arm"].replace_strict(behind, default=None, return_dtype=pl.String)
    place = ["boundary", "draw"]
    first = rows.filter(~pl.col("arm").str.ends_with(AGAIN)).select(
        pl.col("arm").alias("of"), *place, pl.col("first_sentence_stop").alias("begun"),
        pl.col("seed").alias("its_seed"),
    )  # fmt: skip
    joined = rows.with_columns(of=of).join(first, on=["of", *place], how="left")
    new = pl.col("n_tokens") - pl.col("begun").fill_null(0)
    drawn = pl.when(pl.col("seed") == pl.col("its_seed")).then(0).otherwise(new)
    summed = joined.group_by("arm").agg(drawn.sum().alias("tokens"))
    return {str(arm): int(tokens or 0) for arm, tokens in summed.iter_rows()}


def charged(run: Path, statuses: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Tokens and seconds of each method by the arms that its scores rest on, and which are shared.

    An arm of several methods is charged to each. Sampling takes the seconds that all statuses
    together have a token; a method of which no rollout is known keeps what its status says.
    """
    drawn = tokens_by_arm(run)
    tokens = sum(int(status.get("tokens", 0)) for status in statuses.values())
    sampling = sum(float(status.get("sampling_seconds", 0.0)) for status in statuses.values())
    arms = {name: _arms(status, drawn) for name, status in statuses.items()}
    found: dict[str, dict[str, Any]] = {}
    for name, status in statuses.items():
        if "seconds" not in status:
            found[name] = {"tokens": None, "seconds": None, "shared": ""}
            continue
        mine = sum(drawn[arm] for arm in arms[name])
        others = {arm for other in arms if other != name for arm in arms[other]}
        seconds = float(status["seconds"]) - float(status.get("sampling_seconds", 0.0))
        found[name] = {
            "tokens": mine,
            "seconds": seconds + (mine * sampling / tokens if tokens else 0.0),
            "shared": ", ".join(sorted(arms[name] & others)),
        }
    return found


def _arms(status: Mapping[str, Any], drawn: Mapping[str, int]) -> set[str]:
    return set(status.get("arms", [])) & set(drawn)
