"""What each sentence acts on, by the matrices of the detectors and by the truth."""

from pathlib import Path
from typing import Any

import polars as pl

from harness.report.page.viewer.payload import short
from harness.store.files import slug
from harness.store.reading import read_frame
from harness.store.schema import EDGES, MATRICES

STRONGEST = 5  # outgoing edges of a sentence and method

Outgoing = dict[str, dict[str, list[list[Any]]]]


def outgoing(run: Path, trace_id: str) -> Outgoing:
    """The strongest edges that leave each sentence: method, sentence, then [target, strength].

    Strength: the matrix entry less the mean of its row, for some sentences are easily moved by
    anything before them.
    """
    found: Outgoing = {}
    for path in sorted(run.glob(f"matrices/*/{slug(trace_id)}.parquet")):
        matrix = read_frame(path, MATRICES, ["target", "source", "value"])
        found[path.parent.name] = strongest(matrix)
    return found


def strongest(matrix: pl.DataFrame) -> dict[str, list[list[Any]]]:
    """Edges by source, strongest first; those below their row's mean are none."""
    above = pl.col("value") - pl.col("value").mean().over("target")
    edges = matrix.lazy().select("source", "target", above).filter(pl.col("value") > 0)
    edges = edges.sort("source", -pl.col("value"), "target")
    kept = edges.group_by("source", maintain_order=True).head(STRONGEST)
    rounded = kept.with_columns(short(pl.col("value")))
    found: dict[str, list[list[Any]]] = {}
    for source, target, value in rounded.select("source", "target", "value").collect().iter_rows():
        found.setdefault(str(source), []).append([target, value])
    return found


def known(run: Path) -> dict[str, Outgoing]:
    """The true edges of each trace, where they are known: kind, sentence, then [target]."""
    path = run / "matrices" / "edges.parquet"
    edges = read_frame(path, EDGES) if path.is_file() else pl.DataFrame(schema=EDGES)
    found: dict[str, Outgoing] = {}
    for trace_id, source, target, kind in edges.iter_rows():
        of_kind = found.setdefault(trace_id, {}).setdefault(kind, {})
        of_kind.setdefault(str(source), []).append([target])
    return found
