"""Which kinds of sentences each method picks more often than there are of them."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from harness.report.plots.palette import key, paint
from harness.report.plots.style import (
    DIVERGING,
    EDGE,
    GREY,
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
SPAN = 4  # log2: colours of 16 times and a sixteenth are the last
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
    """Methods × categories, colour = log2 of the share among the top tenth over that among all.

    rows: as `strongest` gives them; `groups` put methods side by side; `total` is how many methods
    there were. The categories that methods pick most come first. A frame marks a value whose
    interval leaves out 0, hatching a category that never is among the top.
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
    legend(made)
    key(made, at, families, EDGE + 2 * LINE)
    few = f"; {len(at)} methods of {total}" if len(at) < total else ""
    marks = "frame: interval without 0 · hatched: never in the top tenth"
    caption(made, [f"log2 of the share in the top tenth over that of all{few}", marks])
    return made


def cells(
    axes: Axes, at: Mapping[str, float], across: Mapping[str, int], rows: pl.DataFrame
) -> None:
    """A coloured cell a method and category, with its number where there is room."""
    none = rows.filter(pl.col("value").is_null()).select("method", "category")
    hatched(axes, [(across[c] + 0.5, at[m] + 0.5) for m, c in none.iter_rows()])
    known = rows.drop_nulls("value")
    spots = [(across[c] + 0.5, at[m] + 0.5) for m, c in known.select("method", "category").rows()]
    values = known["value"].to_list()
    shades = mpl.colormaps[DIVERGING]([0.5 + value / (2 * SPAN) for value in values])
    squares(axes, spots, list(shades), [1.0] * len(spots))
    bounds = known.select("low", "high").rows()
    sure = [spot for spot, ends in zip(spots, bounds, strict=True) if excludes(*ends)]
    squares(axes, sure, ["none"] * len(sure), [0.9] * len(sure))
    axes.collections[-1].set(edgecolor=INK, linewidth=0.7)
    if width(axes) / len(across) >= WRITTEN:
        for (x, y), value in zip(spots, values, strict=True):
            ink = "white" if abs(value) > 0.6 * SPAN else INK
            axes.text(x, y, tenths(value), ha="center", va="center", color=ink)


def tenths(value: float) -> str:
    """A number with one decimal and no leading zero."""
    text = f"{abs(value):.1f}"
    return ("−" if value < 0 and text != "0.0" else "") + (text[1:] if text < "1" else text)


def excludes(low: float | None, high: float | None) -> bool:
    """Whether there is an interval and 0 lies outside of it."""
    return low is not None and high is not None and not low <= 0 <= high


def legend(figure: Figure) -> None:
    """The colour bar and what it measures."""
    scale = ScalarMappable(Normalize(-SPAN, SPAN), mpl.colormaps[DIVERGING])
    height = figure.get_figheight()
    place = (3 * EDGE / ONE_COLUMN, 0.57 / height, 0.9 / ONE_COLUMN, 0.06 / height)
    bar = figure.colorbar(
        scale, cax=figure.add_axes(place), orientation="horizontal", ticks=[-SPAN, 0, SPAN]
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(color=GREY)
    bar.ax.set_xticklabels([f"1/{2**SPAN}", "1", str(2**SPAN)])
    said = "times the share of all sentences"
    figure.text(1.15 / ONE_COLUMN, 0.6 / height, said, va="center")
