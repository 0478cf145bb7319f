"""A series of checkpoints as tables."""

from pathlib import Path
from typing import Any

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from harness.store import schema
from harness.store.files import slug
from harness.store.reading import read_frame, read_json

PANELS = {  # measure and whose traces, in words
    ("entropy", "own"): "entropy, own traces",
    ("entropy", "base"): "entropy, first one's traces",
    ("relative_perplexity", "own"): "perplexity, own traces",
    ("relative_perplexity", "base"): "perplexity, first one's traces",
    ("semantic_entropy", "own"): "entropy of the grams used",
    ("conditional_entropy", "own"): "entropy of what follows them",
    ("accuracy", "own"): "accuracy",
    ("tokens", "own"): "tokens of a trace",
}


def named(measure: str, traces: str) -> str:
    """A measure in words."""
    return PANELS.get((measure, traces), f"{measure} ({traces})")


def section(run: Path) -> dict[str, Any] | None:
    """The page's table: checkpoints, a row a measure and class, what was left out; None without."""
    path = run / "dynamics.parquet"
    if not path.is_file():
        return None
    frame = read_frame(path, schema.DYNAMICS)
    names = frame["checkpoint"].unique(maintain_order=True).to_list()
    rows = [
        {"measure": named(measure, whose), "class": kind, "cells": _cells(part, names)}
        for (measure, whose) in PANELS
        for (kind,), part in frame.filter(measure=measure, traces=whose).group_by(
            "class", maintain_order=True
        )
    ]
    return {"checkpoints": names, "rows": rows, "left_out": _left_out(run, names)}


def _cells(part: pl.DataFrame, names: list[str]) -> list[dict[str, Any] | None]:
    found = {row["checkpoint"]: row for row in part.iter_rows(named=True)}
    return [
        {key: found[name][key] for key in ("value", "low", "high")}
        if name in found and found[name]["value"] is not None
        else None
        for name in names
    ]


def _left_out(run: Path, names: list[str]) -> list[tuple[str, str]]:
    """The checkpoints that failed when they were last tried, and why."""
    known, found = {slug(name) for name in names}, list[tuple[str, str]]()
    for path in sorted(run.glob("dynamics/*/status.json")):
        state = read_json(path)
        if state.get("state") == "failed" and path.parent.name not in known:
            found.append((path.parent.name, str(state.get("error", ""))))
    return found


def table(run: Path) -> Table:
    """What a series ends with in the terminal; raises UserError where the run has none."""
    frame = read_frame(run / "dynamics.parquet", schema.DYNAMICS)
    names = frame["checkpoint"].unique(maintain_order=True).to_list()
    made = Table(
        title=f"Along the series: {run.name}",
        caption=Text(f"Means over problems; {run / 'plots' / 'dynamics.png'}"),
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    made.add_column("measure", overflow="fold")
    made.add_column("tokens")
    for name in names:
        made.add_column(Text(name), justify="right", no_wrap=True)
    for (measure, whose), words in PANELS.items():
        part = frame.filter(measure=measure, traces=whose)
        for (kind,), rows in part.group_by("class", maintain_order=True):
            cells = ["–" if c is None else f"{c['value']:.3g}" for c in _cells(rows, names)]
            made.add_row(Text(words), str(kind), *cells)
    return made
