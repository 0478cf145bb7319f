"""A run as tables: its traces, and its sentences with the score of every method."""

from pathlib import Path
from typing import Literal

import polars as pl

from harness.convert.thought_anchors.importing import new_folder
from harness.core import Problem, Trace, UserError
from harness.core.config import check
from harness.store import schema
from harness.store import traces as recorded
from harness.store.files import write_bytes
from harness.store.reading import read_frame

Format = Literal["csv", "jsonl"]


def export(run: Path, out: Path, form: str) -> list[Path]:
    """Write traces and scores of a run into the new folder `out`; returns the files.

    Undefined scores are empty in csv and null in jsonl; token ids are in jsonl alone.
    """
    chosen: Format = check(Format, form, "format")
    if not (run / "traces.parquet").is_file():
        raise UserError(f"{run}: is no run folder (it holds no traces.parquet)")
    if out.exists():
        raise UserError(f"{out}: is there already; name a new folder")
    traces = read_frame(run / "traces.parquet", schema.TRACES)
    tables = {"traces": traces, "scores": scores(run)}
    with new_folder(out) as place:
        for name, table in tables.items():
            write_bytes(place / f"{name}.{chosen}", _content(table, chosen))
    return [out / f"{name}.{chosen}" for name in tables]


def traces_of(run: Path) -> list[Trace]:
    """The traces of a run with their problems as recorded; raises UserError if it is none."""
    if not (run / recorded.COMPLETE).is_file():
        raise UserError(f"{run}: is no run folder (it holds no {recorded.COMPLETE})")
    frame = read_frame(run / "problems.parquet", schema.PROBLEMS).select(*schema.PROBLEMS)
    problems = [Problem(row.pop("problem_id"), **row) for row in frame.iter_rows(named=True)]
    return recorded.load(run, problems)


def scores(run: Path) -> pl.DataFrame:
    """A row a sentence: its trace and place, its text, and a column a method; null = undefined."""
    columns = ["trace_id", "problem_id", "model"]
    of_trace = read_frame(run / "traces.parquet", schema.TRACES, columns)
    table = read_frame(run / "sentences.parquet", schema.SENTENCES)
    for path in sorted(run.glob("scores/*.parquet")):
        found = read_frame(path, schema.SCORES, ["trace_id", "sentence", "score"])
        named = found.fill_nan(None).rename({"score": path.stem})
        table = table.join(named, on=["trace_id", "sentence"], how="left", maintain_order="left")
    return of_trace.join(table, on="trace_id", maintain_order="right")


def _content(table: pl.DataFrame, form: Format) -> bytes:
    if form == "jsonl":
        return table.write_ndjson().encode()
    return table.select(~pl.selectors.by_dtype(pl.List(pl.Int32))).write_csv().encode()
