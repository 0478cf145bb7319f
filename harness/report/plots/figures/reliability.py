"""How far each method agrees with itself on other draws."""

from collections.abc import Mapping

import polars as pl
from matplotlib.figure import Figure

from harness.report.plots.palette import key, paint, palette
from harness.report.plots.style import (
    EDGE,
    FAINT,
    INK,
    LINE,
    Margins,
    canvas,
    caption,
    inches,
    label,
)

ROW = 0.115  # inches
KINDS = ("reliability", "reliability_controlled")


def reliabilities(methods: pl.DataFrame) -> pl.DataFrame:
    """The methods with either reliability: method, family, both; the most reliable first."""
    found = methods.select(
        "method",
        "family",
        *(pl.col(k) if k in methods.columns else pl.lit(None, pl.Float64).alias(k) for k in KINDS),
    )
    known = found.filter(pl.any_horizontal(pl.col(kind).is_not_null() for kind in KINDS))
    return known.sort(*reversed(KINDS), descending=True, nulls_last=True, maintain_order=True)


def figure(rows: pl.DataFrame, families: Mapping[str, str]) -> Figure:
    """Methods downwards: a bar to the raw reliability, a mark at the controlled one."""
    names = rows["method"].to_list()
    left = inches(label(name) for name in names) + 2 * EDGE
    made, axes = canvas(ROW * len(names), Margins(left, 0.1, 0.05, 0.5))
    of = palette(families)
    shades = [of[families[name]] for name in names]
    raw, under = (rows[kind].cast(pl.Float64).to_numpy() for kind in KINDS)
    axes.barh(range(len(names)), raw, 0.7, color=shades, alpha=0.35, lw=0)
    axes.scatter(under, range(len(names)), s=9, c=shades, linewidths=0, zorder=3)
    axes.axvline(1, color=FAINT, lw=0.8, zorder=0)
    lowest = min([0.0, *rows[KINDS[0]].drop_nulls(), *rows[KINDS[1]].drop_nulls()])
    axes.axvline(0, color=INK, lw=0.4)
    axes.set(yticks=range(len(names)), ylim=(len(names) - 0.4, -0.6))
    axes.set(xlim=(1.05 * lowest, 1.03), xlabel="reliability of a score from all draws")
    axes.set_yticklabels([label(name) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    paint(axes.get_yticklabels(), names, families)
    key(made, names, families, EDGE + LINE)
    dot = " · dot: under structure" if rows[KINDS[1]].count() else ""
    caption(made, [f"bar: raw{dot}"])
    return made
