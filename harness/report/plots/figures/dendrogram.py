"""Which detectors find the same sentences, as a tree."""

from collections.abc import Mapping
from typing import Any

import polars as pl
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import dendrogram

from harness.report.plots.clusters import Clusters
from harness.report.plots.palette import key, paint
from harness.report.plots.style import (
    EDGE,
    FAINT,
    INK,
    LINE,
    Margins,
    canvas,
    caption,
    controlled,
    inches,
    label,
)

ROW = 0.11  # inches


def merges(found: Clusters) -> pl.DataFrame:
    """A row a merge: left and right (a method, or an earlier merge), distance, n_methods."""
    names = found.names + [f"merge {i}" for i in range(len(found.tree))]
    left, right, distance, size = found.tree.T
    return pl.DataFrame(
        {
            "left": [names[int(i)] for i in left],
            "right": [names[int(i)] for i in right],
            "distance": distance,
            "n_methods": size.astype(int),
        }
    )


def figure(found: Clusters, families: Mapping[str, str], control: str) -> Figure:
    """Detectors downwards, joined at their mean 1 - controlled agreement; names by family."""
    drawn: Any = dendrogram(found.tree, no_plot=True)
    names = [found.names[i] for i in drawn["leaves"]]
    left = inches(label(name) for name in names) + 3 * EDGE
    made, axes = canvas(ROW * len(names), Margins(left, 0.1, 0.05, 0.5))
    # scipy puts the leaves at 5, 15, 25, …
    forks = [
        [(x, (y - 5) / 10) for x, y in zip(distances, rows, strict=True)]
        for distances, rows in zip(drawn["dcoord"], drawn["icoord"], strict=True)
    ]
    axes.add_collection(LineCollection(forks, colors=INK, lw=0.8, capstyle="projecting"))
    axes.axvline(1, color=FAINT, lw=0.8, zorder=0)
    axes.set(xlim=(0, max(1.05, 1.05 * found.tree[:, 2].max())), ylim=(len(names) - 0.4, -0.6))
    axes.set(yticks=range(len(names)), xlabel=f"1 − agreement, {controlled(control)}")
    axes.set_yticklabels([label(name) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    paint(axes.get_yticklabels(), names, families)
    key(made, names, families, EDGE + LINE)
    n = len(found.left_out)
    caption(made, [f"left out, undefined beside others: {n}" if n else "average linkage"])
    return made
