"""What validations found, as one table."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.interventions.validation.job import Outcome

MOST = 24  # rows of one validation
WIDE = 160  # characters, where nobody says how many


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print the table."""
    if not console.is_terminal:
        console.width = WIDE
    console.print(table(outcomes))


def table(outcomes: Sequence[Outcome]) -> Table:
    """A row an effect; where there is none, why."""
    found = Table("validation", "part", "measure", "method", "value", "interval", "problems", "")
    for outcome in outcomes:
        if outcome.summary is None:
            found.add_row(outcome.name, *[""] * 6, Text(outcome.reason))
            continue
        for row in outcome.summary.head(MOST).iter_rows(named=True):
            ends = "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
            measure = row["measure"] if row["at"] is None else f"{row['measure']} at {row['at']:g}"
            value = "" if row["value"] is None else f"{row['value']:.3f}"
            texts = (outcome.name, row["part"] or "", measure, row["method"] or "")
            told = (value, ends, str(row["n_problems"]), row["reason"] or "")
            found.add_row(*map(Text, (*texts, *told)))
        if len(outcome.summary) > MOST:
            more = f"and {len(outcome.summary) - MOST} more in validate/{outcome.name}_summary"
            found.add_row(outcome.name, *[""] * 6, more)
    return found
