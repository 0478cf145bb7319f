"""One trace sentence by sentence, with what every method says of it."""

from collections.abc import Mapping

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.core import UserError
from harness.report.plots.colours import RANKS, colour_bar
from harness.report.plots.ranks import with_ranks
from harness.report.plots.style import (
    EDGE,
    GREY,
    LINE,
    ONE_COLUMN,
    Margins,
    canvas,
    caption,
    fitted,
    hatched,
    heading,
    inches,
    label,
    places,
    shorten,
    squares,
)

SHORT_SENTENCES = 40
MOST_SENTENCES, MOST_METHODS = 200, 20
# Inches: the number of a sentence, one method, one sentence.
NUMBER, COLUMN, ROW = 0.2, 0.088, 0.105
NOTE = "dot: top tenth · hatched: undefined"
BAR = 0.2  # inches of the colour bar


def choose(sentences: pl.DataFrame, scores: pl.DataFrame, wanted: str | None) -> list[str]:
    """Scored traces, one a problem, the one to draw first: `wanted`, else the longest below 40.

    Traces whose truth is known come before others. Lengths in sentences. Raises UserError if there
    is no such trace.
    """
    kinds = sentences.drop_nulls("kind") if "kind" in sentences.columns else sentences.clear()
    truth = kinds["trace_id"].unique().to_list()
    scored = scores.filter(pl.col("score").is_not_null()).select("trace_id", "problem_id").unique()
    n, long = pl.col("len"), pl.col("len") >= SHORT_SENTENCES
    sizes = sentences.group_by("trace_id").len().join(scored, on="trace_id")
    order = sizes.sort(
        pl.col("trace_id") != pl.lit(wanted),
        ~pl.col("trace_id").is_in(truth),
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
    wanted = [name for name in [*detectors, *baselines] if name in scored]
    kept = wanted[:MOST_METHODS]
    at = places([m for m in kept if m in detectors], [m for m in kept if m in baselines])
    texts = strip.select("sentence", "text").unique(maintain_order=True)
    shown = texts.head(MOST_SENTENCES)
    end = max(at.values(), default=0) + 1
    names = [label(name) for name in at]
    notes = [NOTE, *left_out(len(wanted) - len(kept), len(texts) - len(shown))]
    bottom = 2 * EDGE + LINE * len(notes) + BAR
    margins = Margins(ONE_COLUMN - COLUMN * end - EDGE, EDGE, inches(names) + 0.2, bottom)
    made, axes = canvas(ROW * len(shown), margins)
    row_of = {s: float(i) for i, s in enumerate(shown["sentence"])}
    drawn = pl.col("method").is_in(kept) & pl.col("sentence").is_in(list(row_of))
    cells(axes, at, row_of, strip.filter(drawn))
    axes.set(xlim=(0, end), ylim=(len(shown), 0), yticks=[])
    axes.spines[:].set_visible(False)
    write_texts(axes, shown, margins.left)
    axes.set_xticks([x + 0.5 for x in at.values()])
    axes.set_xticklabels(names, rotation=90)
    axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    heading(made, shorten(title, 50))
    caption(made, notes)
    place = (3 * EDGE, 2 * EDGE + LINE * (len(notes) + 1), 0.9)
    colour_bar(made, RANKS, {0: "0", 1: "1"}, place, "rank of the sentence within the trace")
    return made


def left_out(methods: int, sentences: int) -> list[str]:
    """What is not drawn, in words."""
    found = {"methods": methods, "sentences": sentences}
    return [f"{n} further {what} not shown" for what, n in found.items() if n]


def cells(
    axes: Axes, at: Mapping[str, float], row_of: Mapping[int, float], strip: pl.DataFrame
) -> None:
    """One cell a score: darker = higher, hatched = undefined, a dot = in the method's top tenth."""

    def middles(part: pl.DataFrame) -> list[tuple[float, float]]:
        pairs = part.select("method", "sentence").iter_rows()
        return [(at[method] + 0.5, row_of[sentence] + 0.5) for method, sentence in pairs]

    ranked = strip.drop_nulls("rank")
    shades = RANKS(ranked["rank"].to_numpy())
    squares(axes, middles(ranked), list(shades), [1.0] * len(ranked))
    hatched(axes, middles(strip.filter(pl.col("rank").is_null())))
    top = middles(strip.filter("top"))
    axes.plot([x for x, _ in top], [y for _, y in top], "o", ms=2, mfc="white", mew=0)


def write_texts(axes: Axes, shown: pl.DataFrame, room: float) -> None:
    """Number and beginning of each sentence, in the `room` inches before the cells."""
    left = (NUMBER - room) / COLUMN
    for y, (number, text) in enumerate(shown.iter_rows()):
        axes.text(left - 0.4, y + 0.5, str(number), ha="right", va="center", color=GREY)
        axes.text(left, y + 0.5, fitted(text, room - NUMBER - 2 * EDGE), va="center")
