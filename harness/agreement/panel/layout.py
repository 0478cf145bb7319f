"""From the scores of methods to flat vectors over the sentences of each model's traces."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from harness.agreement.panel.halves import Stored, pieces, store
from harness.agreement.panel.notes import HALVES, accepted, marked
from harness.agreement.panel.panel import SENTENCE, Panel, Vectors
from harness.core import UserError
from harness.store import schema


@dataclass(frozen=True, eq=False)
class Column:
    """A method's scores over all cells, NaN = undefined; `halved` says where halves of them lie."""

    score: Float[np.ndarray, " cells"]
    halved: Bool[np.ndarray, " cells"]
    halves: tuple[Stored, Stored]

    def vectors(self, within: slice) -> Vectors:
        """Those of one model."""
        splits = self.halves[0].splits if self.halved[within].any() else 0
        there = (replace(half, within=within, splits=splits) for half in self.halves)
        return Vectors(self.score[within], *there)


def panels(
    scores: Mapping[str, pl.LazyFrame], traces: pl.DataFrame, covariates: pl.DataFrame, folder: Path
) -> tuple[list[Panel], pl.DataFrame]:
    """One panel a model, and notes (schema.NOTES) on the scores that were refused.

    Every method has its vectors in each panel, all NaN where it has no scores; what is kept of half
    samples lies in files of the folder. Raises UserError for a trace or a sentence given twice.
    """
    for name in traces.filter(pl.col("trace_id").is_duplicated())["trace_id"].head(1):
        raise UserError(f"traces: {name} is there twice; a trace has one problem and one model")
    cells = _cells(traces, covariates)
    columns: dict[str, Column] = {}
    notes = [pl.DataFrame(schema=dict(schema.NOTES))]
    for i, (name, frame) in enumerate(scores.items()):
        columns[name], refused = _column(name, frame, traces, cells, folder / str(i))
        notes.append(refused)
    known = {
        str(name): _values(part.join(cells, on=SENTENCE), len(cells))
        for (name,), part in covariates.group_by("method", maintain_order=True)
    }
    models = cells.partition_by("model", maintain_order=True)
    return [_panel(part, columns, known) for part in models], pl.concat(notes)


def _cells(traces: pl.DataFrame, covariates: pl.DataFrame) -> pl.DataFrame:
    """The sentences of all traces, those of a model together, each with its place in vectors."""
    order = traces.select(pl.col("model").unique(maintain_order=True)).with_row_index("order")
    sentences = covariates.filter(method="position").select(SENTENCE)
    for trace, sentence in sentences.filter(sentences.is_duplicated()).head(1).iter_rows():
        raise UserError(f"sentences: sentence {sentence} of {trace} is there twice")
    placed = traces.join(order, on="model").join(sentences, on="trace_id")
    return placed.sort("order", "problem_id", *SENTENCE).with_row_index("cell").drop("order")


def _column(
    name: str, scores: pl.LazyFrame, traces: pl.DataFrame, cells: pl.DataFrame, path: Path
) -> tuple[Column, pl.DataFrame]:
    """A method's scores, its half samples written to files that begin with this path."""
    rows, refused = accepted(name, marked(scores), traces, cells)
    good, n = rows.drop_nulls("cell"), len(cells)
    splits = int(good.select(pl.col("splits").max()).item() or 0)
    halved = np.zeros(n, bool)
    halved[good.filter(splits=splits)["cell"].to_numpy()] = splits > 0
    cell = rows["cell"].cast(pl.Int64).fill_null(-1).to_numpy()
    first, second = (
        Stored(file, store(pieces(scores, half), cell, splits, file), splits, n, slice(0, n))
        for half in HALVES
        for file in [path.with_suffix(f".{half}")]
    )
    return Column(_values(good, n), halved, (first, second)), refused


def _values(part: pl.DataFrame, n: int) -> Float[np.ndarray, " cells"]:
    found = np.full(n, np.nan)
    score = part["score"].cast(pl.Float64).fill_null(np.nan)
    found[part["cell"].to_numpy()] = score.to_numpy()
    return found


def _panel(
    cells: pl.DataFrame, columns: Mapping[str, Column], known: Mapping[str, np.ndarray]
) -> Panel:
    within = slice(int(cells["cell"][0]), int(cells["cell"][-1]) + 1)
    traces = cells.unique("trace_id", keep="first", maintain_order=True)
    return Panel(
        model=cells["model"][0],
        problems=tuple(traces["problem_id"].unique(maintain_order=True)),
        problem=traces["problem_id"].rle_id().cast(pl.Int64).to_numpy(),
        trace=cells["trace_id"].rle_id().cast(pl.Int64).to_numpy(),
        methods={name: column.vectors(within) for name, column in columns.items()},
        covariates={name: values[within] for name, values in known.items()},
        correct=_correct(traces),
    )


def _correct(traces: pl.DataFrame) -> Int[np.ndarray, " traces"]:
    """Whether each trace's answer is right, -1 where that is not known."""
    if "correct" not in traces.columns:
        return np.full(len(traces), -1)
    return traces["correct"].cast(pl.Int64).fill_null(-1).to_numpy()
