"""What the sentences of a trace do to one another, as detectors found it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm, Normalize
from matplotlib.figure import Figure

from harness.report.plots.colours import EFFECTS, SIGNED_EFFECTS
from harness.report.plots.style import (
    FAINT,
    INK,
    LINE,
    Margins,
    caption,
    drawn_on,
    heading,
    label,
    panels,
    shorten,
)
from harness.store.files import slug
from harness.store.reading import read_frame
from harness.store.schema import EDGES, MATRICES

MOST = 2
SIDE = 2.3  # inches


def effects(run: Path, trace_id: str, methods: Sequence[str]) -> pl.DataFrame:
    """The defined cells of the matrices kept of a trace: method, target, source, value, dependent.

    dependent: whether the target is known to rest on the source, null where nothing is known.
    """
    empty = pl.DataFrame(schema={"method": pl.String, **MATRICES})
    kept = {name: run / "matrices" / name / f"{slug(trace_id)}.parquet" for name in methods}
    found = [
        read_frame(path, MATRICES).with_columns(method=pl.lit(name)).select(empty.columns)
        for name, path in kept.items()
        if path.is_file()
    ]
    rows = pl.concat([empty, *found]).fill_nan(None).drop_nulls("value").drop("trace_id")
    path = run / "matrices" / "edges.parquet"
    edges = read_frame(path, EDGES) if path.is_file() else pl.DataFrame(schema=EDGES)
    true = edges.filter(pl.col("trace_id") == trace_id).select("target", "source").unique()
    dependent = pl.col("dependent").fill_null(value=False) if len(true) else pl.col("dependent")
    known = true.with_columns(dependent=True)
    joined = rows.join(known, on=["target", "source"], how="left", maintain_order="left")
    return joined.with_columns(dependent)


def figure(rows: pl.DataFrame, title: str) -> Figure:
    """A square a detector: sentence acted on downwards, sentence acting across, grey = undefined.

    A dot marks the pairs of which the target is known to rest on the source.
    """
    parts = dict(list(rows.group_by("method", maintain_order=True))[:MOST])
    drawn = panels(len(parts), 1, SIDE, Margins(0.35, 0.65, 0.32, 0.32 + LINE), 0.2)
    for axes, ((name,), part) in zip(drawn, parts.items(), strict=True):
        square(axes, part)
        axes.set(title=label(str(name)), ylabel="sentence acted on")
    drawn[-1].set_xlabel("sentence acting")
    made = drawn_on(drawn[0])
    heading(made, shorten(title, 60))
    dots = " · dot: known to rest on it" if rows["dependent"].any() else ""
    caption(made, [f"grey: undefined{dots}"])
    return made


def square(axes: Axes, part: pl.DataFrame) -> None:
    """One matrix with its colour bar."""
    values = dense(part)
    signed = np.nanmin(values) < 0 < np.nanmax(values)
    norm = CenteredNorm() if signed else Normalize()
    image = axes.imshow(
        values, SIGNED_EFFECTS if signed else EFFECTS, norm, interpolation="nearest", aspect="equal"
    )
    true = part.filter("dependent")
    axes.plot(true["source"], true["target"], "o", ms=2.4, mfc=INK, mec="white", mew=0.4)
    axes.set_facecolor(FAINT)
    axes.spines[:].set_visible(False)
    bar = drawn_on(axes).colorbar(image, cax=axes.inset_axes((1.03, 0.25, 0.03, 0.5)))
    bar.outline.set_visible(False)
    bar.set_label("effect, in the detector's own unit")


def dense(part: pl.DataFrame) -> Float[np.ndarray, "sentences sentences"]:
    """The matrix, row = target, column = source, NaN where undefined."""
    n = 1 + part.select(pl.max_horizontal(pl.col("target").max(), pl.col("source").max())).item()
    values = np.full((n, n), np.nan)
    values[part["target"].to_numpy(), part["source"].to_numpy()] = part["value"].to_numpy()
    return values
