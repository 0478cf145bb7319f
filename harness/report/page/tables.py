"""The tables of the page, as rows of plain values."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from harness.report.page.description import described
from harness.report.pairs import Pair, controls
from harness.report.source import Source
from harness.store.reading import read_frame

LEVEL = 0.05  # of the permutations behind enrichment
Status = Mapping[str, Mapping[str, Any]]


def methods(source: Source, status: Status, nodes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a method, family by family, with its description and what became of its job."""
    found = {row["method"]: row for row in source.methods.iter_rows(named=True)}
    rows = [found[name] for name in ordered(source)]
    nothing = dict.fromkeys(("state", "error", "failed_traces", "reliability_controlled"))
    blank = dict.fromkeys(source.methods.columns)
    listed: list[dict[str, Any]] = [
        nothing | row | dict(status.get(row["method"], {})) for row in rows
    ]
    without = sorted(status.keys() - {row["method"] for row in rows})
    listed += [nothing | blank | dict(status[name]) | {"method": name} for name in without]
    about = described([row["method"] for row in listed], status, nodes)
    return [row | {"about": about[row["method"]]} for row in listed]


def ordered(source: Source) -> list[str]:
    """The methods family by family, in the order in which families first come, baselines last."""
    families = dict(source.methods.select("method", "family").iter_rows())
    first = list(dict.fromkeys(families[name] for name in source.methods_in_order))
    return sorted(source.methods_in_order, key=lambda name: first.index(families[name]))


def explained(between: Sequence[Pair]) -> list[tuple[str, float, float, int]]:
    """How much the controls explain: control, median agreement before, after, number of pairs.

    Medians of the absolute values over the pairs defined both without and with the control.
    """
    found: list[tuple[str, float, float, int]] = []
    for control in controls(between):
        both = [
            (abs(pair.raw.value), abs(value))
            for pair in between
            if pair.raw.value is not None and (value := pair.at(control).value) is not None
        ]
        if both:
            before, after = (median(side) for side in zip(*both, strict=True))
            found.append((control, before, after, len(both)))
    return found


def beside(every: Sequence[Pair], source: Source) -> tuple[list[str], list[dict[str, Any]]]:
    """Agreement of each detector with each baseline that has any: baselines, then rows.

    Of one model where a run has several: the one with the strongest agreement.
    """
    known = [p for p in every if p.raw.value is not None and p.model == every[0].model]
    value = {frozenset((pair.a, pair.b)): pair.raw for pair in known}
    baselines = [b for b in source.baselines if any(b in pair for pair in value)]
    rows = [
        {"method": name, "values": [value.get(frozenset((name, b))) for b in baselines]}
        for name in ordered(source)
        if name in source.detectors
    ]
    return baselines, [row for row in rows if any(row["values"])]


def optional(run: Path, name: str) -> pl.DataFrame | None:
    """A frame that not every run has; None where it is absent or empty."""
    path = run / f"{name}.parquet"
    frame = read_frame(path, {}).fill_nan(None) if path.is_file() else pl.DataFrame()
    return None if frame.is_empty() else frame


def enrichment(run: Path, order: Sequence[str]) -> list[dict[str, Any]]:
    """Log2 enrichment, a part a control: categories, then a row a method with its cells.

    A cell is None where nothing is known; its value is None where the category never is at the top.
    """
    frame = optional(run, "enrichment")
    if frame is None:
        return []
    if "control" not in frame.columns:
        frame = frame.with_columns(control=pl.lit("none"))
    parts = frame.partition_by("control", maintain_order=True)
    return [_enriched(part, order) for part in parts]


def _enriched(frame: pl.DataFrame, order: Sequence[str]) -> dict[str, Any]:
    categories = frame["category"].unique().sort().to_list()
    sure = (pl.col("p") < LEVEL).fill_null(value=False) if "p" in frame.columns else pl.lit(False)
    marked = frame.with_columns(sure=sure)
    cells = {(row["method"], row["category"]): row for row in marked.iter_rows(named=True)}
    there = [name for name in order if name in set(frame["method"])]
    rows = [{"method": m, "cells": [cells.get((m, c)) for c in categories]} for m in there]
    return {"control": frame["control"][0], "categories": categories, "rows": rows}


def correctness(run: Path, statistic: str) -> list[dict[str, Any]]:
    """Pairs in correct and in incorrect traces by one statistic, largest differences first."""
    frame = optional(run, "agreement_by_correctness")
    if frame is None:
        return []
    rows = frame.filter(statistic=statistic).sort(-pl.col("difference").abs(), nulls_last=True)
    return rows.to_dicts()


def summary(run: Path) -> list[dict[str, Any]]:
    """All detectors at once: the rows of summary.parquet, none where it is absent."""
    frame = optional(run, "summary")
    return [] if frame is None else frame.to_dicts()


def missing(
    run: Path, rows: Sequence[Mapping[str, Any]], skipped: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Everything that failed or is not there: what, and why."""
    found = [entry for row in rows for entry in lacking(row)]
    notes = optional(run, "notes")
    for row in [] if notes is None else notes.iter_rows(named=True):
        beside = f" beside {row['other']}" if row["other"] else ""
        where = f", first at {row['first']}" if row["first"] else ""
        found.append((f"{row['method']}{beside}", f"{row['reason']} ({row['count']}{where})"))
    return [*found, *((f"{name} skipped", str(reason)) for name, reason in skipped.items())]


def lacking(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What failed or is not there of one method."""
    name, found = row["method"], list[tuple[str, str]]()
    if row["state"] in ("failed", "partial"):
        found.append((f"{name} {row['state']}", row["error"] or "not finished"))
    for reason, traces in (row.get("undefined") or {}).items():
        found.append((f"{name} undefined on {traces} traces", reason))
    for trace, reason in (row.get("failures") or {}).items():
        found.append((f"{name} failed on {trace}", reason))
    if row["coverage"] == 0:
        found.append((f"{name} undefined everywhere", "its evidence is missing"))
    return found
