"""How much of the gap between two checkpoints is recovered, by how many tokens are routed."""

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report.plots.colours import SERIES
from harness.report.plots.style import FAINT, GREY, Margins, drawn_on, label, panels, width

COLUMNS, PLACE = 3, ["part", "method", "at"]


def curves(summary: pl.DataFrame) -> pl.DataFrame:
    """A row an arm whose gap is defined: router, method, share routed, gap recovered, its ends."""
    shares = summary.filter(pl.col("measure") == "share routed").select(*PLACE, share="value")
    gaps = summary.filter(pl.col("measure") == "gap recovered").select(
        *PLACE, "value", "low", "high"
    )
    both = gaps.join(shares, on=PLACE, nulls_equal=True, maintain_order="left")
    found = both.drop_nulls(["value", "share"]).rename({"part": "router"})
    order = found.select("router", "method").unique(maintain_order=True).with_row_index("order")
    rows = found.join(order, on=["router", "method"], nulls_equal=True).sort("order", "share")
    return rows.select("router", "method", "share", "value", "low", "high")


def figure(rows: pl.DataFrame) -> Figure:
    """One small panel a router, the others faint behind it, intervals over problems as lines."""
    parts = [*rows.group_by("router", "method", maintain_order=True)]
    made = panels(len(parts), COLUMNS, 0.62, Margins(0.38, 0.08, 0.2, 0.28), 0.2)
    low = min([0.0, *rows["value"], *rows["low"].drop_nulls()])
    high = max([1.0, *rows["value"], *rows["high"].drop_nulls()])
    for axes, ((router, method), part) in zip(made, parts, strict=True):
        for _, other in parts:
            axes.plot(100 * other["share"], other["value"], color=FAINT, lw=0.5, zorder=1)
        curve(axes, part)
        name = str(router) if method is None else f"{router} {method}"
        axes.set_title(label(name, width(axes)))
        axes.set(xlim=(0, 105 * max(rows["share"])), ylim=(low - 0.05, high + 0.05))
    whole = drawn_on(made[0])
    whole.supxlabel("tokens that the other one wrote, %", y=0, va="bottom", fontsize="medium")
    whole.supylabel("gap recovered", x=0, ha="left", fontsize="medium")
    return whole


def curve(axes: Axes, part: pl.DataFrame) -> None:
    """Values and intervals of one router, beside nothing and the whole gap."""
    for line in (0, 1):
        axes.axhline(line, color=GREY, lw=0.4, ls=(0, (2, 2)), zorder=2)
    known = part.drop_nulls(["low", "high"])
    axes.vlines(100 * known["share"], known["low"], known["high"], color=SERIES, lw=0.8, zorder=3)
    axes.plot(100 * part["share"], part["value"], "o-", color=SERIES, lw=1.2, ms=2, zorder=4)
