"""Where in a trace each method finds its anchors."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from harness.report.plots.colours import SERIES
from harness.report.plots.ranks import with_ranks
from harness.report.plots.style import FAINT, GREY, Margins, drawn_on, label, panels, width

BINS = 10
COLUMNS = 3


def curves(scores: pl.DataFrame, sentences: pl.DataFrame) -> pl.DataFrame:
    """Mean within-trace rank by tenth of the trace: method, bin, mean, low, high, n_problems.

    Averaged over the sentences of a trace, the traces of a problem, then over problems; low and
    high are the quartiles over problems.
    """
    of_trace = ["method", "problem_id", "trace_id", "bin"]
    ranked = with_ranks(scores).join(tenths(sentences), on=["trace_id", "sentence"])
    by_trace = ranked.drop_nulls("rank").group_by(of_trace).agg(pl.col("rank").mean())
    by_problem = by_trace.group_by("method", "problem_id", "bin").agg(pl.col("rank").mean())
    rank = pl.col("rank")
    return (
        by_problem.group_by("method", "bin")
        .agg(
            mean=rank.mean(),
            low=rank.quantile(0.25, "linear"),
            high=rank.quantile(0.75, "linear"),
            n_problems=pl.len(),
        )
        .sort("method", "bin")
    )


def tenths(sentences: pl.DataFrame) -> pl.DataFrame:
    """The tenth of its trace, 0 to 9, in which the middle of each sentence's place lies."""
    order = pl.col("sentence").rank("ordinal").over("trace_id")
    share = (order - 0.5) / pl.len().over("trace_id")
    return sentences.select("trace_id", "sentence", bin=(share * BINS).floor().cast(pl.Int32))


def figure(curves: pl.DataFrame, detectors: list[str], baselines: list[str]) -> Figure:
    """One small panel a method, the others faint behind it; detectors dark, baselines grey."""
    drawn = {str(name): part for (name,), part in curves.group_by("method")}
    names = [name for name in [*detectors, *baselines] if name in drawn]
    made = panels(len(names), COLUMNS, 0.62, Margins(0.36, 0.08, 0.2, 0.28), 0.2)
    behind = [np.stack([middles(drawn[n]), drawn[n]["mean"]], axis=1) for n in names]
    for axes, name in zip(made, names, strict=True):
        axes.add_collection(LineCollection(behind, colors=FAINT, lw=0.5, zorder=1))
        curve(axes, drawn[name], SERIES if name in detectors else GREY)
        axes.set_title(label(name, width(axes)))
        axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 1], yticks=[0, 0.5, 1])
    figure = drawn_on(made[0])
    figure.supxlabel("relative position in the trace", y=0, va="bottom", fontsize="medium")
    figure.supylabel("mean rank within the trace", x=0, ha="left", fontsize="medium")
    return figure


def curve(axes: Axes, part: pl.DataFrame, colour: str) -> None:
    """Mean and quartiles over problems, beside the 0.5 that a method blind to position shows."""
    axes.axhline(0.5, color=GREY, lw=0.4, ls=(0, (2, 2)), zorder=2)
    x = middles(part)
    axes.fill_between(x, part["low"], part["high"], color=colour, alpha=0.18, lw=0, zorder=3)
    axes.plot(x, part["mean"], color=colour, lw=1.2, zorder=4, solid_capstyle="round")


def middles(part: pl.DataFrame) -> list[float]:
    """Middles of the bins, between 0 and 1."""
    return [(b + 0.5) / BINS for b in part["bin"]]
