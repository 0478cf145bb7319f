"""The table that a run ends with in the terminal."""

from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from harness.report.findings import Roles, beside_truth, findings, statistic_of
from harness.report.format import decimal
from harness.report.pairs import Pair, pairs, read_under
from harness.report.source import Source, read
from harness.report.unfinished import unfinished

MOST_PAIRS = 10
NUMBERS = ("raw", "controlled", "interval", "ceiling")


def summary(run: Path) -> Table:
    """The detector pairs that agree most, raw beside controlled, and where the files lie.

    Raises UserError naming the file that the run lacks.
    """
    source = read(run)
    statistic = statistic_of(source.agreement)
    every = pairs(source.agreement, statistic)
    between = [pair for pair in every if pair.within(source.detectors)]
    control = read_under(between)
    table = Table(
        title=f"Agreement of detectors, within-trace {statistic}: {run.name}",
        caption=caption(run, source, every),
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("pair", overflow="fold")
    for heading in NUMBERS:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for pair in between[:MOST_PAIRS]:
        table.add_row(*row(pair, control, source.roles))
    return table


def row(pair: Pair, control: str, roles: Roles) -> list[Text]:
    """A pair as cells; names are taken literally, not as markup."""
    names = f"{roles.named(pair.a)} ~ {roles.named(pair.b)}"
    read = pair.at(control)
    numbers = (pair.raw.text, read.text, read.interval, decimal(pair.ceiling))
    cells = (names, *numbers, pair.verdict or "none")
    return [Text(cell) for cell in cells]


def caption(run: Path, source: Source, every: list[Pair]) -> Text:
    """What was found first, what was left out, and the paths."""
    between = [pair for pair in every if pair.within(source.detectors)]
    read_as = f"Controlled for {read_under(between)}; ceiling and verdict under structure."
    n = len(between) - MOST_PAIRS
    more = [f"… and {n} further pairs."] if n > 0 else []
    answer = findings(source.agreement, source.roles)[:1]
    answer += beside_truth(every, source.roles)
    marked = ["† was told what is planted."] if source.given_truth else []
    lacking = unfinished(run)
    answer = [*([f"Unfinished: {'; '.join(lacking)}."] if lacking else []), *answer]
    paths = [f"page   {run / 'report.html'}", f"plots  {run / 'plots'}"]
    return Text("\n".join([*more, *answer, read_as, *marked, *paths]))
