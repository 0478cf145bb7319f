"""One trace sentence by sentence, with what every method says of it."""

import matplotlib as mpl
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import Bbox, TransformedBbox

from harness.plots.ranks import with_ranks
from harness.plots.style import GREY, ONE_COLUMN, SEQUENTIAL, drawable, hatched, places, shorten
from harness.types import UserError

SHORT_SENTENCES = 40
MOST_SENTENCES = 200
# Inches: text column with its sentence numbers, one method, one sentence, the margins around.
TEXT, NUMBER, COLUMN, ROW = 2.1, 0.2, 0.125, 0.125
EDGE, RIGHT, ABOVE, BOTTOM = 0.02, 0.3, 0.72, 0.25
NOTE = "darker = higher within the trace · dot = top tenth · hatched = undefined"


def choose(sentences: pl.DataFrame, scores: pl.DataFrame, wanted: str | None) -> list[str]:
    """Scored traces, one a problem, the one to draw first: `wanted`, else the longest below 40.

    Lengths in sentences. Raises UserError if there is no such trace.
    """
    scored = scores.filter(pl.col("score").is_not_null()).select("trace_id", "problem_id").unique()
    n, long = pl.col("len"), pl.col("len") >= SHORT_SENTENCES
    sizes = sentences.group_by("trace_id").len().join(scored, on="trace_id")
    order = sizes.sort(
        pl.col("trace_id") != pl.lit(wanted),
        long,
        pl.when(long).then(n).otherwise(-n.cast(pl.Int64)),
        "trace_id",
    )
    traces = order.unique("problem_id", keep="first", maintain_order=True)["trace_id"].to_list()
    if not traces or wanted not in (None, traces[0]):
        raise UserError(f"report.trace: no scored trace {wanted or ''}; see traces.parquet")
    return traces


def strip(scores: pl.DataFrame, sentences: pl.DataFrame, trace_id: str) -> pl.DataFrame:
    """The numbers of one trace: sentence, text, category, method, score, rank, top."""
    ranked = with_ranks(scores.filter(pl.col("trace_id") == trace_id))
    texts = sentences.select("trace_id", "sentence", "text", "category")
    columns = ["sentence", "text", "category", "method", "score", "rank", "top"]
    return (
        ranked.join(texts, on=["trace_id", "sentence"]).select(columns).sort("sentence", "method")
    )


def figure(strip: pl.DataFrame, detectors: list[str], baselines: list[str], title: str) -> Figure:
    """Sentences downwards, text left, one narrow column a method coloured by within-trace rank."""
    scored = set(strip["method"])
    at = places([m for m in detectors if m in scored], [m for m in baselines if m in scored])
    texts = strip.select("sentence", "text").unique(maintain_order=True)
    shown = texts.head(MOST_SENTENCES)
    figure, axes = canvas(len(shown), max(at.values(), default=0) + 1)
    row_of = {s: float(i) for i, s in enumerate(shown["sentence"])}
    cells = strip.filter(pl.col("method").is_in(list(at)) & pl.col("sentence").is_in(list(row_of)))
    for row in cells.iter_rows(named=True):
        mark(axes, at[row["method"]], row_of[row["sentence"]], row["rank"], top=row["top"])
    write_texts(axes, shown)
    write_names(axes, at)
    left_out = len(texts) - len(shown)
    note = f" · {left_out} further sentences not shown" if left_out else ""
    place = figure.text
    place(
        EDGE / figure.get_figwidth(), 1 - 0.1 / figure.get_figheight(), shorten(title, 80), va="top"
    )
    place(
        EDGE / figure.get_figwidth(),
        0.1 / figure.get_figheight(),
        NOTE + note,
        color=GREY,
        fontsize=5,
    )
    return figure


def canvas(rows: int, columns: float) -> tuple[Figure, Axes]:
    """A figure whose axes hold cells of one size, with room for the texts left and names above."""
    left, width, height = EDGE + TEXT, COLUMN * columns, ROW * rows
    total = (max(ONE_COLUMN, left + width + RIGHT), BOTTOM + height + ABOVE)
    figure = Figure(figsize=total)
    box = (left / total[0], BOTTOM / total[1], width / total[0], height / total[1])
    axes = figure.add_axes(box)
    axes.set(xlim=(0, columns), ylim=(rows, 0), yticks=[])
    axes.spines[:].set_visible(False)
    return figure, axes


def mark(axes: Axes, x: float, y: float, rank: float | None, *, top: bool) -> None:
    """One cell: darker = higher, hatched = undefined, a dot = among the method's top tenth."""
    if rank is None:
        hatched(axes, x, y)
        return
    shade = mpl.colormaps[SEQUENTIAL](rank)
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor=shade, edgecolor="white", lw=0.4))
    if top:
        axes.plot(x + 0.5, y + 0.5, "o", ms=2, mfc="white", mew=0)


def write_texts(axes: Axes, shown: pl.DataFrame) -> None:
    """Number and beginning of each sentence, cut off where the cells begin."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    edge = axes.get_position().x0 - 0.05 / figure.get_figwidth()
    clip = TransformedBbox(Bbox([[0, 0], [edge, 1]]), figure.transFigure)
    for y, (number, text) in enumerate(shown.iter_rows()):
        left, middle, look = (NUMBER - TEXT) / COLUMN, y + 0.5, {"va": "center", "fontsize": 5}
        axes.text(left - 0.4, middle, str(number), look, ha="right", color=GREY)
        line = axes.text(left, middle, shorten(text, 47), look)
        line.set_clip_on(True)
        line.set_clip_box(clip)


def write_names(axes: Axes, at: dict[str, float]) -> None:
    """Names of the methods above their columns."""
    axes.set_xticks([x + 0.5 for x in at.values()])
    names = [drawable(name) for name in at]
    axes.set_xticklabels(names, rotation=55, ha="left", rotation_mode="anchor", fontsize=5.5)
    axes.tick_params(length=0, pad=1, top=False, labeltop=True, bottom=False, labelbottom=False)
