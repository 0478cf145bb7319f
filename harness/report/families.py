"""How much the detectors of two families, or of one, have in common: one number each."""

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl

from harness.agreement import Agreement, MethodInfo
from harness.agreement.inference import interval
from harness.agreement.overall.families import families as measured
from harness.store import schema
from harness.store.files import rows

ALL = "family_"  # measures over all families at once


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
    traits = {name: MethodInfo(of, signed=False, arms=frozenset()) for name, of in family.items()}
    root = {name: _root(name, family, variants) for name in family}
    apart = by_problem.filter(pl.col("a").replace(root) != pl.col("b").replace(root))
    found: list[dict[str, Any]] = []
    for (model,), dots in apart.group_by("model", maintain_order=True):
        for measure, statistic, control, values, pairs in measured(dots, list(family), traits):
            if measure.startswith(ALL):
                continue
            low, high = interval(values, conf)
            where = {"model": model, "measure": measure, "statistic": statistic}
            numbers = {"control": control, "value": values.mean(), "low": low, "high": high}
            counts = {"n_pairs": pairs, "n_problems": len(values)}
            found.append(where | numbers | counts)
    return rows(found, schema.FAMILIES).fill_nan(None)


def _root(name: str, names: Collection[str], variants: Collection[str]) -> str:
    """The method that a variant is one of, itself if it is none."""
    before = [other for other in names if name.startswith(f"{other}_")]
    return min(before, key=len) if name in variants and before else name
