"""How much the detectors of two families, or of one, have in common: one number each."""

from collections.abc import Collection, Mapping
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import polars as pl

from harness.agreement import Agreement
from harness.agreement.inference import interval
from harness.report.findings import STATISTICS
from harness.store import schema
from harness.store.files import rows


def families(
    by_problem: pl.DataFrame,
    family: Mapping[str, str],
    variants: Collection[str],
    conf: Agreement,
) -> pl.DataFrame:
    """The frame schema.FAMILIES: means over pairs of detectors, then over problems.

    `by_problem` as schema.AGREEMENT_BY_PROBLEM; `family` of the detectors that count. Two of which
    one is a variant of the other, or both of a third, are no pair: they differ by options alone.
    """
    root = {name: _root(name, family, variants) for name in family}
    known = by_problem.filter(
        pl.col("a").is_in(list(family)),
        pl.col("b").is_in(list(family)),
        pl.col("statistic").is_in(STATISTICS),
        pl.col("a").replace(root) != pl.col("b").replace(root),
    ).fill_nan(None)
    of = known.with_columns(
        first=pl.col("a").replace_strict(family), second=pl.col("b").replace_strict(family)
    ).drop_nulls("value")
    found = [
        row
        for first, second in combinations_with_replacement(dict.fromkeys(family.values()), 2)
        for row in _rows(of, first, second, conf)
    ]
    return rows(found, schema.FAMILIES)


def _root(name: str, names: Collection[str], variants: Collection[str]) -> str:
    """The method that a variant is one of, itself if it is none."""
    before = [other for other in names if name.startswith(f"{other}_")]
    return min(before, key=len) if name in variants and before else name


def _rows(of: pl.DataFrame, first: str, second: str, conf: Agreement) -> list[dict[str, Any]]:
    """The rows of two families, by model, statistic and control."""
    one = (pl.col("first") == first) & (pl.col("second") == second)
    other = (pl.col("first") == second) & (pl.col("second") == first)
    found: list[dict[str, Any]] = []
    keys = ["model", "statistic", "control"]
    for key, part in of.filter(one | other).group_by(*keys, maintain_order=True):
        means = part.group_by("problem_id", maintain_order=True).agg(pl.col("value").mean())
        values = means["value"].to_numpy()
        low, high = interval(values, conf)
        row = {"first": first, "second": second, "value": float(values.mean())}
        ends = {"low": low, "high": high} if np.isfinite(low) else {}
        counts = {"n_pairs": part.select("a", "b").n_unique(), "n_problems": len(values)}
        found.append(dict(zip(keys, key, strict=True)) | row | ends | counts)
    return found
