"""The claims over several runs, of other models: what each of them says of each claim."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from harness.core import UserError
from harness.report.page.rendering import style_alone, template
from harness.report.pairs import Value
from harness.store import schema
from harness.store.files import write_bytes
from harness.store.load import Run
from harness.store.reading import read_frame

NAME = "claims-compared"
IDLE = "not tested"
KEPT = ("text", "source", "verdict", "effect", "low", "high", "unit", "n_problems", "missing")
THRESHOLDS = ("supported_from", "contradicted_below", "unit")


def board(runs: Sequence[Run]) -> pl.DataFrame:
    """A row a claim and run; claims that some run has tested first. Undefined is null.

    Raises UserError for a run without claims, and for two runs of one name and model.
    """
    parts = [_of(run) for run in runs]
    heads = [tuple(part.row(0)[:2]) for part in parts if len(part)]
    for head in heads:
        if heads.count(head) > 1:
            raise UserError(f"{head[0]}: several runs have this name and model; rename a folder")
    found = pl.concat(parts).with_row_index("place")
    ranked = found.with_columns(
        tested=(pl.col("verdict") != IDLE).any().over("claim"),
        first=pl.col("place").min().over("claim"),
    )
    return ranked.sort(~pl.col("tested"), "first", "place").drop("place", "tested", "first")


def _of(run: Run) -> pl.DataFrame:
    """The claims of a run, a row each."""
    name = run.path.resolve().name
    path = run.path / "claims.parquet"
    if not path.is_file():
        raise UserError(f"{run.path}: has no claims.parquet; python -m harness.report makes it")
    model = ", ".join(run.traces["model"].unique(maintain_order=True).drop_nulls())
    rows = read_frame(path, schema.CLAIMS).fill_nan(None).filter(pl.col("part") == "")
    return rows.select(pl.lit(name).alias("run"), pl.lit(model).alias("model"), "claim", *KEPT)


def otherwise(runs: Sequence[Run]) -> list[str]:
    """The claims that runs tested by other thresholds or in another unit, by name."""
    every = pl.concat(
        read_frame(run.path / "claims.parquet", schema.CLAIMS).filter(
            pl.col("supported_from").is_not_null() & pl.col("effect").is_not_null()
        )
        for run in runs
    )
    distinct = every.select("claim", "part", *THRESHOLDS).unique(maintain_order=True)
    twice = distinct.group_by("claim", "part", maintain_order=True).len().filter(pl.col("len") > 1)
    return twice["claim"].unique(maintain_order=True).to_list()


def table(found: pl.DataFrame) -> Table:
    """The board as the terminal shows it: a row a claim, a column a run."""
    shown = Table(
        title="What each run says of each claim",
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    shown.add_column("claim", overflow="fold")
    for run, model in _heads(found):
        shown.add_column(Text(f"{model}\n{run}"), overflow="fold")
    for claim in _rows(found):
        cells = [_cell(one) for one in claim["cells"]]
        shown.add_row(Text(claim["text"]), *map(Text, cells))
    return shown


def _cell(one: dict[str, Any] | None) -> str:
    if one is None:
        return "–"
    value = one["value"]
    numbers = "" if value.value is None else f"\n{value.text} {value.interval}"
    return f"{one['verdict']}{numbers}"


def written(found: pl.DataFrame, other: Sequence[str], folder: Path) -> Path:
    """Write the board as a page and as csv into a folder; returns the page."""
    html = template("claims_compared.html").render(
        **style_alone(),
        heads=_heads(found),
        claims=_rows(found),
        other=set(other),
    )
    write_bytes(folder / f"{NAME}.csv", found.write_csv().encode())
    write_bytes(folder / f"{NAME}.html", html.encode())
    return folder / f"{NAME}.html"


def _heads(found: pl.DataFrame) -> list[tuple[str, str]]:
    """Name and model of each run."""
    return found.select("run", "model").unique(maintain_order=True).rows()


def _rows(found: pl.DataFrame) -> list[dict[str, Any]]:
    """A claim with what each run says of it, None where it lacks the claim, and the verdicts."""
    heads = _heads(found)
    rows: list[dict[str, Any]] = []
    for (claim,), part in found.group_by("claim", maintain_order=True):
        by_run = {(row["run"], row["model"]): row for row in part.to_dicts()}
        cells = [_said(by_run[head]) if head in by_run else None for head in heads]
        counts = Counter(part["verdict"]).most_common()
        tally = ", ".join(f"{n} {verdict}" for verdict, n in counts)
        rows.append({"name": claim, "text": part["text"][0], "cells": cells, "tally": tally})
    return rows


def _said(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"value": Value(row["effect"], row["low"], row["high"])}
