"""Tokens of a trace with their entropies, where they were read, and the detectors' peaks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Int

from harness.store.files import slug
from harness.store.reading import read_frame
from harness.store.schema import TOKENS

# By sentence: the tokens' lengths in UTF-16 units, as the page counts, their centinats, and by
# method which of them are peaks, counted within the sentence.
Peaks = dict[str, list[int]]
Tokens = list[tuple[list[int], list[int | None], Peaks] | None]


def tokens(
    run: Path, trace: Mapping[str, Any], sentences: pl.DataFrame, methods: Sequence[str] = ()
) -> Tokens | None:
    """Token lengths, entropies and peaks by sentence; None where no reading of it is stored.

    A sentence whose text is not exactly that of its tokens has none.
    """
    path = run / "tokens" / f"{slug(trace['trace_id'])}.parquet"
    starts = trace["starts"]
    if not path.is_file() or not starts:
        return None
    entropy = read_frame(path, TOKENS, ["token", "entropy"]).sort("token")["entropy"]
    cents = (entropy.fill_nan(None) * 100).round().cast(pl.Int32).to_list()
    text, edges = trace["text"], [*starts, len(trace["text"])]
    lengths = np.diff(units(text)[edges]).tolist()
    last, found = min(len(lengths), len(cents)), peaks(run, trace["trace_id"], methods)
    return [
        (lengths[a:b], cents[a:b], between(found, a, b))
        if b <= last and text[edges[a] : edges[b]] == own
        else None
        for a, b, own in sentences.select("start", "stop", "text").iter_rows()
    ]


def peaks(run: Path, trace_id: str, methods: Sequence[str]) -> dict[str, list[int]]:
    """The tokens at which each method that looks for peaks sees one."""
    found: dict[str, list[int]] = {}
    for method in methods:
        path = run / "tokens" / method / f"{slug(trace_id)}.parquet"
        read = read_frame(path, {"token": TOKENS["token"]}) if path.is_file() else pl.DataFrame()
        if "peak" in read.columns:
            found[method] = read.filter(pl.col("peak") > 0)["token"].sort().to_list()
    return found


def between(found: Mapping[str, Sequence[int]], start: int, stop: int) -> Peaks:
    """The peaks of a sentence's tokens, counted from its first; without the methods of none."""
    own = {name: [t - start for t in at if start <= t < stop] for name, at in found.items()}
    return {name: at for name, at in own.items() if at}


def units(text: str) -> Int[np.ndarray, " boundaries"]:
    """How many UTF-16 units lie before each character and at the end."""
    wide = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32) > 0xFFFF
    return np.concatenate([[0], np.cumsum(1 + wide)])
