"""Tokens of a trace with their entropies, where they were read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

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
    ends = [*starts[1:], len(trace["text"])]
    pieces = [trace["text"][a:b] for a, b in zip(starts, ends, strict=True)]
    spans = sentences.select("start", "stop", "text").iter_rows()
    return [_sentence(pieces[a:b], cents[a:b], text) for a, b, text in spans]


def _sentence(
    pieces: Sequence[str], cents: list[int | None], text: str
) -> tuple[list[int], list[int | None]] | None:
    if "".join(pieces) != text or len(cents) != len(pieces):
        return None
    return [len(piece.encode("utf-16-le")) // 2 for piece in pieces], cents
