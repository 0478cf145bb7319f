"""What a self-test found: every detector on a model whose anchors are known."""

from pathlib import Path

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from harness.analysis import planted
from harness.analysis.chain import with_chain
from harness.cli.settings import Settings
from harness.core import UserError
from harness.report.format import decimal
from harness.store import schema
from harness.store.files import write_frame
from harness.store.reading import look_over, read_frame, read_json

HEADINGS = {
    "planted": "planted",
    "strong": "strong",
    "some": "some",
    "spearman of some": "rank",
    "quiet": "quiet",
    "chain": "chain",
    "read": "read",
}
FOOLS = "against "
MOST_FOOLS = 3


def tested(todo: Settings) -> pl.DataFrame:
    """The frame schema.SELFTEST of a run, kept in it with its figure.

    Raises UserError where the truth is not known.
    """
    # matplotlib takes a second to import, which a mistake need not wait for.
    from harness.report.plots.figures.truth import selftest as figure
    from harness.report.plots.saving import save
    from harness.report.plots.style import styled
    from harness.report.source import read

    source = read(todo.folder)
    if "kind" not in source.sentences.columns or not source.sentences["kind"].count():
        raise UserError(
            f"problems: the truth about {todo.folder} is not known; the self-test needs "
            "model=organism problems=organism"
        )
    scores = source.scores.filter(pl.col("method") != "truth").with_columns(
        pl.col("score").fill_null(float("nan"))
    )
    scores = planted.unsigned(scores, _signed(todo.folder)).join(
        _over(todo.folder), on=["trace_id", "sentence", "method"], how="left"
    )
    sentences = with_chain(source.sentences, _edges(todo.folder))
    found = planted.measures(scores, sentences, todo.selftest, todo.agreement)
    order = pl.Enum([name for name in source.methods_in_order if name != "truth"])
    found = found.sort(pl.col("method").cast(order), maintain_order=True)
    write_frame(todo.folder / "selftest.parquet", found)
    with styled():
        drawn = figure.figure(found)
    save(drawn, found, todo.folder / "plots" / "selftest", todo.report.dpi)
    return found


def _signed(run: Path) -> list[str]:
    """The detectors whose scores have a direction."""
    status = {path.stem: read_json(path) for path in run.glob("status/*.json")}
    return [name for name, found in status.items() if found.get("signed")]


def _edges(run: Path) -> pl.DataFrame:
    """What rests on what, where the run knows it."""
    path = run / "matrices" / "edges.parquet"
    return read_frame(path, schema.EDGES) if path.is_file() else pl.DataFrame(schema=schema.EDGES)


def _over(run: Path) -> pl.DataFrame:
    """Which scores exceed the 95 % quantile of noise, for the methods that say what theirs is."""
    columns = {"trace_id": pl.String, "sentence": pl.Int32, "method": pl.String, "over": pl.Boolean}
    parts = [pl.LazyFrame(schema=columns)]
    for path in sorted(run.glob("scores/*.parquet")):
        look_over(path, schema.SCORES, exact=False)
        scores = pl.scan_parquet(path)
        if {"raw", "floor_95"} <= set(scores.collect_schema().names()):
            over = pl.col("raw").abs() > pl.col("floor_95")
            parts.append(scores.with_columns(method=pl.lit(path.stem), over=over).select(*columns))
    return pl.concat(parts).collect()


def table(found: pl.DataFrame, caption: str) -> Table:
    """A row a method: AUROCs, rank correlations, and what fools it (AUROC below one half)."""
    made = Table(title="Self-test against planted anchors", caption=caption, box=SIMPLE_HEAD)
    made.title_justify = made.caption_justify = "left"
    made.add_column("method", no_wrap=True)
    for heading in HEADINGS.values():
        made.add_column(heading, justify="right", no_wrap=True)
    made.add_column("fooled by", min_width=16)
    for (method,), part in found.group_by("method", maintain_order=True):
        values = {row["measure"]: row for row in part.iter_rows(named=True)}
        cells = [decimal(values[m]["value"]) if m in values else "n/a" for m in HEADINGS]
        made.add_row(*map(Text, [str(method), *cells, fools(part)]))
    return made


def fools(part: pl.DataFrame) -> str:
    """The kinds of sentences that a method most ranks above the planted ones, worst first."""
    below = part.filter(pl.col("measure").str.starts_with(FOOLS) & (pl.col("value") < 0.5))
    return ", ".join(
        f"{row['measure'].removeprefix(FOOLS).lower()} {decimal(row['value'])}"
        for row in below.sort("value").head(MOST_FOOLS).iter_rows(named=True)
    )


def caption(todo: Settings) -> str:
    """What stands below the table: how many traces, and what the columns mean."""
    status = read_json(todo.folder / "status" / "truth.json")
    known, lost = status["traces"], sum(status["undefined"].values())
    reasons = ", ".join(f"{n} {reason}" for reason, n in status["undefined"].items())
    without = f"; {lost} without truth ({reasons})" if lost else ""
    strong, some = todo.selftest.strong, todo.selftest.some
    return (
        f"AUROC within a trace, means over {known} traces{without}; intervals in "
        f"{todo.folder / 'selftest.parquet'}. |score| of signed detectors.\n"
        f"strong: sentences of exact total variation >= {strong}, some: >= {some}; rank: Spearman "
        "among those with it; quiet: share of the others below the detector's own noise floor; "
        "fooled by: the kinds of sentences most ranked above the planted ones. So far what decides "
        "the answer.\n"
        "What it is read from: chain: sentences that lead to the result, read: those of them whose "
        "value is handed on (executions); the result itself is left out of both.\n"
        f"figure {todo.folder / 'plots' / 'selftest.png'}"
    )
