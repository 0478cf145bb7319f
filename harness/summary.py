"""The table that a run ends with in the terminal."""

from pathlib import Path

from rich.table import Table
from rich.text import Text

from harness.findings import RAW, Pair, findings, pairs, read_under
from harness.plots.source import Source, read

MOST_PAIRS = 10


def summary(run: Path) -> Table:
    """The detector pairs that agree most, raw beside controlled, and where the files lie.

    Raises UserError naming the file that the run lacks.
    """
    source = read(run)
    between = [p for p in pairs(source.agreement, "spearman") if p.within(source.detectors)]
    control = read_under(between)
    table = Table(
        title=f"Agreement of detectors, within-trace Spearman: {run.name}",
        caption=caption(run, source, len(between)),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("pair", no_wrap=True)
    for heading in ("raw", "interval", f"{control}\ncontrolled", "interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("problems", justify="right")
    for pair in between[:MOST_PAIRS]:
        table.add_row(*row(pair, control))
    return table


def row(pair: Pair, control: str) -> list[Text]:
    """A pair as cells; names are taken literally, not as markup."""
    values = [v for c in (RAW, control) for v in (pair.at(c).text, pair.at(c).interval)]
    return [Text(cell) for cell in (f"{pair.a} ~ {pair.b}", *values, str(pair.n_problems))]


def caption(run: Path, source: Source, n_pairs: int) -> Text:
    """What was found first, what was left out, and the paths."""
    more = [f"… and {n_pairs - MOST_PAIRS} further pairs."] if n_pairs > MOST_PAIRS else []
    said = findings(source.agreement, source.detectors)[0]
    paths = [f"page   {run / 'report.html'}", f"plots  {run / 'plots'}"]
    return Text("\n".join([*more, said, *paths]))
