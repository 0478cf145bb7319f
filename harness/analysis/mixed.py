"""The answers at boundaries where only rollouts that leave the trace's sentences were drawn."""

from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from harness.statistics.allocation import LEAVE, SECOND
from harness.statistics.mixtures import averaged, mixture
from harness.store.reading import read_json
from harness.store.status import file

REPEAT = "repeat"  # the diagnostic of methods whose rollouts leave
HALVES = (LEAVE, SECOND)
KEYS = ("trace_id", "boundary", "arm", "n")


def repeats(run: Path) -> pl.DataFrame | None:
    """trace_id, sentence, repeat: how probable it is that a rollout writes it as it stands.

    As the methods say that have their rollouts leave, the first by name of each trace; None where
    none has.
    """
    found = list[pl.DataFrame]()
    for path in sorted((run / "status").glob("*.json")):
        if read_json(path).get("state") == "failed" or not file(run, path.stem).exists():
            continue
        scores = pl.scan_parquet(file(run, path.stem))
        if REPEAT in scores.collect_schema().names():
            found.append(scores.select("trace_id", "sentence", REPEAT).collect())
    keys = ["trace_id", "sentence"]
    return pl.concat(found).unique(keys, keep="first", maintain_order=True) if found else None


def mixed(counted: pl.DataFrame, repeats: pl.DataFrame) -> pl.DataFrame:
    """trace_id, boundary, outcome, share of all rollouts from there, leaving or not; rows above 0.

    `counted` has trace_id, boundary, arm, n, and in further columns the outcome of n of those that
    leave. No rows of a trace of which nobody knows how probable its sentences are, nor where
    rollouts lack.
    """
    known = {str(key): part for (key,), part in repeats.group_by("trace_id")}
    left = counted.filter(pl.col("arm").is_in(HALVES))
    found = [
        _of_trace(part, known[str(key)].sort("sentence")[REPEAT].to_numpy())
        for (key,), part in left.group_by("trace_id", maintain_order=True)
        if str(key) in known
    ]
    return pl.concat(found) if found else _nothing(counted)


def _nothing(counted: pl.DataFrame) -> pl.DataFrame:
    return counted.clear().drop("arm", "n").with_columns(share=pl.lit(None, pl.Float64))


def _of_trace(part: pl.DataFrame, repeat: Float[np.ndarray, " sentences"]) -> pl.DataFrame:
    outcome = [name for name in part.columns if name not in KEYS]
    outcomes = part.select(outcome).unique(maintain_order=True).with_row_index("column")
    placed = part.join(outcomes, outcome, nulls_equal=True, maintain_order="left")
    with np.errstate(divide="ignore"):
        logprob = np.log(repeat)
    shape = (len(repeat) + 1, len(outcomes))
    halves = [mixture(_counts(half, shape), logprob) for half in placed.partition_by("arm")]
    share = averaged(halves).p
    boundary, column = np.nonzero(share > 0)  # NaN is not above 0
    rows = pl.DataFrame({"boundary": boundary, "column": column, "share": share[boundary, column]})
    named = rows.cast({"boundary": part.schema["boundary"], "column": pl.UInt32})
    whole = named.join(outcomes, "column", maintain_order="left")
    return whole.select(
        pl.lit(part["trace_id"][0]).alias("trace_id"), "boundary", *outcome, "share"
    )


def _counts(half: pl.DataFrame, shape: tuple[int, int]) -> Int[np.ndarray, "boundaries outcomes"]:
    found = np.zeros(shape, np.int64)
    np.add.at(found, (half["boundary"].to_numpy(), half["column"].to_numpy()), half["n"].to_numpy())
    return found
