"""A job that takes seconds, and whether several processes made of it what one makes."""

from pathlib import Path

import polars as pl

METHODS = ("resampling_plain", "mi", "attention")


def line(results: Path, *more: str) -> list[str]:
    """Detectors that draw, read and learn."""
    return [
        f"method=[{','.join(METHODS)}]", "problems.limit=3", "problems.reference=5",
        "sampling.draws=8", "sampling.chunk=4", "engine.slots=128", "run=r",
        f"results={results}", *more,
    ]  # fmt: skip


def rollouts(results: Path) -> dict[tuple[object, ...], list[int]]:
    """Token ids by trace, boundary, arm and draw; fails where one is recorded twice."""
    columns = ["trace_id", "boundary", "arm", "draw", "token_ids"]
    files = sorted((results / "r" / "rollouts").glob("*/*.parquet"))
    found = pl.concat([pl.read_parquet(file, columns=columns) for file in files]).rows()
    by_key = {row[:4]: row[4] for row in found}
    assert len(by_key) == len(found)
    return by_key


def check_alike(results: Path, alone: Path) -> None:
    """The same traces, rollouts and scores as one process made, each recorded once.

    One rollout in a thousand may differ: sums in batches of other sizes are rounded otherwise.
    """
    expected, found = rollouts(alone), rollouts(results)
    assert found.keys() == expected.keys()
    moved = {key[0] for key in expected if found[key] != expected[key]}
    assert sum(found[key] != expected[key] for key in expected) <= len(expected) / 1000
    for name in ("traces.parquet", *(f"scores/{method}.parquet" for method in METHODS)):
        a, b = (pl.read_parquet(r / "r" / name) for r in (alone, results))
        assert (
            not a.select(pl.col("trace_id", "sentence") if "sentence" in a else "trace_id")
            .is_duplicated()
            .any()
        )
        same = ~pl.col("trace_id").is_in(list(moved))
        assert a.filter(same).equals(b.filter(same), null_equal=True), name
