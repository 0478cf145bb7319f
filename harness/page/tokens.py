"""Tokens of a trace with their entropies, where they were read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Int

from harness.store import slug

# By sentence: the tokens' lengths in UTF-16 units, as the page counts, and their centinats.
Tokens = list[tuple[list[int], list[int | None]] | None]


def tokens(run: Path, trace: Mapping[str, Any], sentences: pl.DataFrame) -> Tokens | None:
    """Token lengths and entropies by sentence; None where no reading of the trace is stored.

    A sentence whose text is not exactly that of its tokens has none.
    """
    path = run / "tokens" / f"{slug(trace['trace_id'])}.parquet"
    starts = trace["starts"]
    if not path.is_file() or not starts:
        return None
    entropy = pl.read_parquet(path, columns=["token", "entropy"]).sort("token")["entropy"]
    cents = (entropy.fill_nan(None) * 100).round().cast(pl.Int32).to_list()
    text, edges = trace["text"], [*starts, len(trace["text"])]
    lengths = np.diff(units(text)[edges]).tolist()
    last = min(len(lengths), len(cents))
    return [
        (lengths[a:b], cents[a:b]) if b <= last and text[edges[a] : edges[b]] == said else None
        for a, b, said in sentences.select("start", "stop", "text").iter_rows()
    ]


def units(text: str) -> Int[np.ndarray, " boundaries"]:
    """How many UTF-16 units lie before each character and at the end."""
    wide = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32) > 0xFFFF
    return np.concatenate([[0], np.cumsum(1 + wide)])
