"""The truth about a run's traces, where its problems know it, kept beside what is measured."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import polars as pl
from jaxtyping import Bool, Float

from harness.core import Trace
from harness.evidence.requests import Writer
from harness.store import schema
from harness.store.files import rows, write_frame
from harness.store.scores import Ledger


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of a trace: by sentence its kind and exact importances, and what rests on what.

    `planted` marks the sentences that decide. `exact` holds importances by name, among them "tv":
    the total variation between the answer distributions before and after the sentence. An edge
    (i, j, kind) says that sentence j rests on sentence i.
    """

    kinds: tuple[str, ...]
    planted: Bool[np.ndarray, " sentences"]
    exact: Mapping[str, Float[np.ndarray, " sentences"]]
    edges: tuple[tuple[int, int, str], ...]


@runtime_checkable
class Planted(Protocol):
    """The part of a problem set that knows which sentences matter."""

    def truth(self, trace: Trace, weights: Path, temperature: float, top_p: float) -> Truth | str:
        """The truth about a trace written with these weights, or why there is none."""
        ...


NAME = "truth"  # of the method that the exact importances stand for in every comparison


def export(writer: Writer, traces: Sequence[Trace], sentences: pl.DataFrame) -> pl.DataFrame:
    """Keep the truth as scores and edges of the run; returns the sentences with kinds and truth.

    Kinds are the categories, too, and a trace without truth then has none: the functions that rules
    give are other names. Nothing is kept, and the sentences stay as they are, where the problems
    know no truth.
    """
    problems, sampling = writer.problems, writer.sampling
    if not isinstance(problems, Planted):
        return sentences
    weights = Path(writer.subject.path)
    told = {t.id: problems.truth(t, weights, sampling.temperature, sampling.top_p) for t in traces}
    found = {name: truth for name, truth in told.items() if isinstance(truth, Truth)}
    without = Counter(reason for reason in told.values() if isinstance(reason, str))
    _scores(writer.run, found, without)
    edges = [
        {"trace_id": name, "source": i, "target": j, "kind": kind}
        for name, truth in found.items()
        for i, j, kind in truth.edges
    ]
    write_frame(writer.run / "matrices" / "edges.parquet", rows(edges, schema.EDGES))
    known = sentences.join(_columns(found), on=["trace_id", "sentence"], how="left")
    return known.with_columns(category="kind") if found else known


def _scores(run: Path, found: Mapping[str, Truth], without: Mapping[str, int]) -> None:
    """The exact total variation as the scores of a method; other importances beside it."""
    status = {"family": NAME, "signed": False, "undefined": dict(without)}
    book = Ledger(run, NAME, "", {}, status)
    for name, truth in found.items():
        nothing = pl.Series([[]] * len(truth.kinds), dtype=pl.List(pl.Float64))
        columns = {"score": truth.exact["tv"], "half_a": nothing, "half_b": nothing}
        frame = pl.DataFrame({**columns, **truth.exact}).with_row_index("sentence")
        place = [pl.lit(name).alias("trace_id"), pl.col("sentence").cast(pl.Int32)]
        book.frames[name] = frame.select(*place, pl.exclude("sentence"))
    book.write("done")


def _columns(found: Mapping[str, Truth]) -> pl.DataFrame:
    """Kind and exact importances by sentence."""
    parts = [
        pl.DataFrame({"kind": truth.kinds, "planted": truth.planted, **_exact(truth)})
        .with_row_index("sentence")
        .select(
            pl.lit(name).alias("trace_id"),
            pl.col("sentence").cast(pl.Int32),
            pl.exclude("sentence"),
        )
        for name, truth in found.items()
    ]
    return pl.concat([pl.DataFrame(schema=dict(schema.TRUTH)), *parts], how="diagonal_relaxed")


def _exact(truth: Truth) -> dict[str, object]:
    return {f"exact_{name}": values for name, values in truth.exact.items()}
