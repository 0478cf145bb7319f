"""Heat map of a self-test: methods by measures, .5 white."""

import polars as pl
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from harness.report.format import decimal
from harness.report.plots.colours import CHANCE
from harness.report.plots.style import INK, ONE_COLUMN, drawable, hatched, places

CELL = 0.3  # inches
FOOLS = "against "
READ = ("chain", "read")


def figure(found: pl.DataFrame) -> Figure:
    """What decides the answer, then what it is read from, then planted against one kind alone.

    Blue finds these sentences, orange is fooled: it ranks the others above them.
    """
    names = found["method"].unique(maintain_order=True).to_list()
    measures = found["measure"].unique(maintain_order=True).to_list()
    kinds = [m for m in measures if m.startswith(FOOLS)]
    read = [m for m in measures if m in READ]
    across = places([m for m in measures if m not in (*kinds, *read)], read, kinds)
    size = (max(ONE_COLUMN, CELL * len(across) + 1.8), CELL * 0.7 * len(names) + 1.2)
    made = Figure(figsize=size, layout="constrained")
    axes = made.subplots()
    undefined: list[tuple[float, float]] = []
    for row in found.iter_rows(named=True):
        x, y = across[row["measure"]], float(names.index(row["method"]))
        value = row["value"]
        if value is None:
            undefined.append((x + 0.5, y + 0.5))
            continue
        # A correlation of 0 is as little as an AUROC of one half.
        shade = (value + 1) / 2 if row["measure"].startswith("spearman") else value
        face = CHANCE(shade)
        axes.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor="white", lw=0.8))
        ink = "white" if abs(shade - 0.5) > 0.3 else INK
        axes.text(x + 0.5, y + 0.5, decimal(value), ha="center", va="center", color=ink)
    hatched(axes, undefined)
    labels = [m.removeprefix(FOOLS).lower() for m in across]
    axes.set(xticks=[x + 0.5 for x in across.values()], yticks=[i + 0.5 for i in range(len(names))])
    axes.set_xticklabels(labels, rotation=45, ha="left", rotation_mode="anchor")
    axes.set_yticklabels([drawable(name) for name in names])
    axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    axes.set(xlim=(0, max(across.values()) + 1), ylim=(len(names), 0))
    axes.spines[:].set_visible(False)
    scale = ScalarMappable(Normalize(0, 1), CHANCE)
    name = "AUROC from 0 to 1; of a correlation from −1 to 1"
    made.colorbar(scale, ax=axes, location="bottom", shrink=0.4, aspect=30, label=name)
    axes.set_xlabel("what decides | what the answer is read from | planted against one kind alone")
    return made
