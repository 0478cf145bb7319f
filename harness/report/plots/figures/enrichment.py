"""Which kinds of sentences each method picks more often than there are of them."""

from collections.abc import Mapping, Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report.format import SPAN
from harness.report.plots.colours import CHANCE, DOWN, NOTHING, colour_bar
from harness.report.plots.palette import key, paint
from harness.report.plots.style import (
    EDGE,
    INK,
    LINE,
    ONE_COLUMN,
    Margins,
    canvas,
    caption,
    hatched,
    inches,
    label,
    places,
    squares,
    width,
)

MOST = 24
BELOW = 0.75  # inches: the colour bar, the families, two lines of caption
WRITTEN = 0.19  # inches: a narrower cell bears no number
HIGHEST = 0.2  # inches


def strongest(enrichment: pl.DataFrame) -> pl.DataFrame:
    """The rows of the methods with the largest mean |value|, those first: method, category, …

    Values that are not finite are null: such a category never is among the method's top.
    """
    finite = pl.when(pl.col("value").is_finite()).then("value").alias("value")
    size = pl.col("value").abs().mean().over("method")
    order = enrichment.with_columns(finite).filter(size.is_not_null())
    order = order.sort(size, descending=True, maintain_order=True)
    kept = order["method"].unique(maintain_order=True).head(MOST).to_list()
    return order.filter(pl.col("method").is_in(kept)).drop("model")


def figure(
    rows: pl.DataFrame, groups: Sequence[Sequence[str]], families: Mapping[str, str], total: int
) -> Figure:
    """Methods × categories, colour = log2 of the share among the top over that among all.

    rows: as `strongest` gives them; `groups` put methods side by side; `total` is how many methods
    there were. The categories that methods pick most come first. A frame marks a value whose
    interval leaves out 0, a cross a category that never is among the top; a
    hatched cell is undefined.
    """
    at = places(*([name for name in group if name in set(rows["method"])] for group in groups))
    often = pl.col("value").fill_null(-SPAN).clip(-SPAN, SPAN).mean()
    order = rows.group_by("category", maintain_order=True).agg(often).sort("value", descending=True)
    categories = order["category"].to_list()
    names = [label(str(name).replace("_", " ")) for name in categories]
    left = inches(label(name) for name in at) + 2.5 * EDGE
    cell = min(0.4, (ONE_COLUMN - left - EDGE) / len(names))
    right = ONE_COLUMN - left - cell * len(names)
    end = max(at.values()) + 1
    margins = Margins(left, right, inches(names) + 2.5 * EDGE, BELOW)
    made, axes = canvas(max(LINE, min(HIGHEST, cell)) * end, margins)
    axes.set(xlim=(0, len(names)), ylim=(end, 0))
    cells(axes, at, {name: i for i, name in enumerate(categories)}, rows)
    axes.set_xticks([i + 0.5 for i in range(len(names))], names, rotation=90)
    axes.set_yticks([p + 0.5 for p in at.values()], [label(name) for name in at])
    paint(axes.get_yticklabels(), list(at), families)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    ticks = {-SPAN: f"1/{2**SPAN}", 0: "1", SPAN: str(2**SPAN)}
    colour_bar(made, CHANCE, ticks, (3 * EDGE, 0.57, 0.9), "times the share of all sentences")
    key(made, at, families, EDGE + 2 * LINE)
    few = f"; {len(at)} methods of {total}" if len(at) < total else ""
    marks = "frame: interval without 0 · cross: never in the top · hatched: undefined"
    caption(made, [f"log2 of the share in the top over that of all{few}", marks])
    return made


def cells(
    axes: Axes, at: Mapping[str, float], across: Mapping[str, int], rows: pl.DataFrame
) -> None:
    """A coloured cell a method and category, with its number where there is room."""
    there = set(rows.select("method", "category").rows())
    none = [(m, c) for m in at for c in across if (m, c) not in there]
    hatched(axes, [(across[c] + 0.5, at[m] + 0.5) for m, c in none])
    never = rows.filter(pl.col("value").is_null()).select("method", "category").rows()
    crossed(axes, [(across[c] + 0.5, at[m] + 0.5) for m, c in never])
    known = rows.drop_nulls("value")
    spots = [(across[c] + 0.5, at[m] + 0.5) for m, c in known.select("method", "category").rows()]
    values = known["value"].to_list()
    shades = CHANCE([0.5 + value / (2 * SPAN) for value in values])
    squares(axes, spots, list(shades), [1.0] * len(spots))
    bounds = known.select("low", "high").rows()
    sure = [spot for spot, ends in zip(spots, bounds, strict=True) if excludes(*ends)]
    squares(axes, sure, ["none"] * len(sure), [0.9] * len(sure))
    axes.collections[-1].set(edgecolor=INK, linewidth=0.7)
    if width(axes) / len(across) >= WRITTEN:
        for (x, y), value in zip(spots, values, strict=True):
            ink = "white" if abs(value) > 0.4 * SPAN else INK
            axes.text(x, y, tenths(value), ha="center", va="center", color=ink)


def crossed(axes: Axes, middles: Sequence[tuple[float, float]]) -> None:
    """The cells of what never happens: below chance, no number says how far."""
    squares(axes, middles, [NOTHING] * len(middles), [1.0] * len(middles))
    axes.plot([x for x, _ in middles], [y for _, y in middles], "x", ms=3, mew=0.6, color=DOWN)


def tenths(value: float) -> str:
    """A number with one decimal and no leading zero."""
    text = f"{abs(value):.1f}"
    return ("−" if value < 0 and text != "0.0" else "") + (text[1:] if text < "1" else text)


def excludes(low: float | None, high: float | None) -> bool:
    """Whether there is an interval and 0 lies outside of it."""
    return low is not None and high is not None and not low <= 0 <= high
