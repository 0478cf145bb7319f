"""A run as tables for other tools: every file of it, and its sentences with all scores beside."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import polars as pl

from harness.convert.thought_anchors.importing import new_folder
from harness.core import Problem, Trace, UserError
from harness.core.config import check
from harness.store import schema
from harness.store import traces as recorded
from harness.store.files import writing
from harness.store.folder import unchecked
from harness.store.reading import read_frame, scan_frames

Format = Literal["csv", "jsonl", "parquet", "arrow"]
SCORES, TRACES = "scores", "traces"
PARTED = {  # tables that lie in many files, and what they are put together from
    "rollouts": ("rollouts/*/*.parquet", schema.ROLLOUTS),
    "tokens": ("tokens/*.parquet", schema.TOKENS),
}
BY_METHOD = {  # the same, a table a method
    "matrices": schema.MATRICES,
    "tokens": schema.METHOD_TOKENS,
}


def export(run: Path, out: Path, form: str) -> list[Path]:
    """Write every table of a run into the new folder `out`; returns the files.

    Undefined is empty in csv and null elsewhere; csv has no columns that hold lists. Long tables
    are written as they are read. Raises UserError for what is no run and for a folder that is
    there.
    """
    chosen: Format = check(Format, form, "format")
    if not (run / f"{TRACES}.parquet").is_file():
        raise UserError(f"{run}: is no run folder (it holds no traces.parquet)")
    if out.exists():
        raise UserError(f"{out}: is there already; name a new folder")
    unchecked(run)  # a run that holds a link is refused
    written: list[Path] = []
    with new_folder(out) as place:
        for name, table in tables(run):
            path = place / f"{name}.{chosen}"
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                _write(table, path, chosen)
            written.append(path.relative_to(place))
    return [out / path for path in written]


def tables(run: Path) -> Iterator[tuple[str, pl.LazyFrame]]:
    """Every table of a run by its place in an export; undefined is null.

    `scores` has a row a sentence, `scores/METHOD` all that a method left of each.
    """
    for path in [*sorted(run.glob("*.parquet")), *sorted(run.glob("validate/*.parquet"))]:
        needs = schema.MADE.get(path.stem, {}) if path.parent == run else {}
        yield _named(run, path), read_frame(path, needs).fill_nan(None).lazy()
    yield SCORES, scores(run).lazy()
    for path in sorted(run.glob("scores/*.parquet")):
        yield _named(run, path), read_frame(path, schema.SCORES).fill_nan(None).lazy()
    for name, (pattern, columns) in PARTED.items():
        if paths := sorted(run.glob(pattern)):
            yield name, scan_frames(paths, columns).fill_nan(None)
    for name, columns in BY_METHOD.items():
        for folder in sorted(path for path in run.glob(f"{name}/*") if path.is_dir()):
            if paths := sorted(folder.glob("*.parquet")):
                yield _named(run, folder), scan_frames(paths, columns).fill_nan(None)
    edges = run / "matrices" / "edges.parquet"
    if edges.is_file():
        yield _named(run, edges), read_frame(edges, schema.EDGES).lazy()


def _named(run: Path, path: Path) -> str:
    return path.relative_to(run).with_suffix("").as_posix()


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


def _write(table: pl.LazyFrame, path: Path, form: Format) -> None:
    """Write a table as it is read, so that a long one does not fill the memory."""
    if form == "csv":
        table.select(~pl.selectors.by_dtype(pl.List)).sink_csv(path)
    elif form == "jsonl":
        table.sink_ndjson(path)
    elif form == "parquet":
        table.sink_parquet(path)
    else:
        table.sink_ipc(path)
