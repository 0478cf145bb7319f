"""The readings of a trace that are small enough to be kept: entropy and log p of its tokens."""

from pathlib import Path

import polars as pl

from harness.core import Reading
from harness.store import schema
from harness.store.files import slug, write_frame
from harness.store.reading import read_frame


def keep(run: Path, trace_id: str, reading: Reading) -> None:
    """Write entropy and log p, one row a token, unless they are there or were not read."""
    path = file(run, trace_id)
    if path.exists() or reading.entropy is None or reading.logprob is None:
        return
    n = len(reading.entropy)
    columns = {"entropy": reading.entropy, "logprob": reading.logprob}
    frame = pl.DataFrame(
        {"trace_id": [trace_id] * n, "token": range(n), **columns}, schema=dict(schema.TOKENS)
    )
    write_frame(path, frame)


def kept(run: Path, trace_id: str) -> Reading | None:
    """Entropy and log p from an earlier pass, None where there was none."""
    path = file(run, trace_id)
    if not path.exists():
        return None
    frame = read_frame(path, schema.TOKENS)
    return Reading(frame["entropy"].to_numpy(), frame["logprob"].to_numpy())


def file(run: Path, trace_id: str) -> Path:
    """Where they lie."""
    return run / "tokens" / f"{slug(trace_id)}.parquet"
