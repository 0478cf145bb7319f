"""`python -m harness.methods`: the detectors there are, or one of them in full."""

import argparse
import re
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.catalogue import Entry, entries, in_families
from harness.cli.exits import ended
from harness.core import UserError
from harness.core.docstrings import written
from harness.report.format import decimal
from harness.store import schema
from harness.store.reading import read_frame

TEACH = """columns:
  family      the literature a detector comes from; baseline: what a detector has to beat
  signed      whether a negative score is the opposite of an anchor rather than less of one
  wants       the evidence it asks for; rollouts of one (name) are drawn once for all who ask
  cost        what dominates the time of a trace: python -m harness.plan has the numbers
  cost_class  the dearest of it: text, 1 pass, n passes, short draws, rollouts, endpoint
  source      the paper or code that it follows

python -m harness 'method=[resampling,mi]'             runs two and says how far they agree
python -m harness +experiment=cheap                    all of one pass; standard, everything: more
python -m harness method=mi method.mi.mode=A1 run=a1   runs one with another value of an option
python -m harness.methods mi                           one in full, with its options"""
COLUMNS = ("name", "family", "signed", "wants", "cost", "cost_class", "idea", "source")
FILE = "selftest.parquet"
FOUND = {"strong": "decides", "read": "read from"}  # measures of a self-test and their headings


def table(rows: Sequence[Entry]) -> Table:
    """One line a detector."""
    made = Table(*COLUMNS, box=None, pad_edge=False)
    for row in rows:
        made.add_row(*(Text(getattr(row, column)) for column in COLUMNS))
    return made


def narrow(rows: Sequence[Entry]) -> Table:
    """The same for a window too narrow for it: the name beside the rest in full sentences."""
    made = Table.grid(padding=(0, 2))
    made.add_column(no_wrap=True, style="bold")
    for row in rows:
        signed = ", signed" if row.signed == "yes" else ""
        facts = f"{row.family}{signed}; wants {row.wants}; {row.cost_class}: cost {row.cost}"
        made.add_row(Text(row.name), Text("\n".join(filter(None, (row.idea, facts, row.source)))))
    return made


def page(entry: Entry) -> str:
    """One detector: what the list says, the docstring, and the options with their types."""
    facts = [f"{c:<12}{getattr(entry, c)}" for c in COLUMNS if getattr(entry, c)]
    options = {f"{key}: {written(value)}": entry.types[key] for key, value in entry.options.items()}
    wide = max(map(len, options), default=0)
    lines = [f"  {option:<{wide}}  # {kind}" for option, kind in options.items()]
    head = [f"options (method.{entry.name}.KEY=VALUE)"] if options else []
    return "\n".join([*facts, "", entry.text, "", *head, *lines]).rstrip()


def markdown(every: Sequence[Entry], runs: Sequence[Path]) -> Iterator[str]:
    """The lines of a table in Markdown, with what self-tests in some run folders found of each.

    AUROC within a trace ± half its 95 % interval, of the first run that has the detector.
    """
    found = measured(runs)
    yield "| detector | family | cost | what it is | source | " + " | ".join(FOUND.values()) + " |"
    yield "|---" * (5 + len(FOUND)) + "|"
    for entry in every:
        aurocs = [found.get((entry.name, measure), "n/a") for measure in FOUND]
        words = [entry.family, entry.cost_class, _cell(entry.idea), _papers(entry.source), *aurocs]
        yield f"| `{entry.name}` | " + " | ".join(words) + " |"


def measured(runs: Sequence[Path]) -> dict[tuple[str, str], str]:
    """Values of `FOUND` in words, by detector and measure; the first run that has one counts.

    Raises UserError for a folder without a self-test.
    """
    found: dict[tuple[str, str], str] = {}
    for run in runs:
        path = next((p for p in (run / FILE, run / "selftest" / FILE) if p.is_file()), None)
        if path is None:
            raise UserError(f"{run}: holds no {FILE}; python -m harness.selftest makes it")
        for row in read_frame(path, schema.SELFTEST).iter_rows(named=True):
            half = (row["high"] - row["low"]) / 2 if row["high"] is not None else None
            spread = f" ±{decimal(half)}" if half is not None and isfinite(half) else ""
            found.setdefault((row["method"], row["measure"]), decimal(row["value"]) + spread)
    return found


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _papers(source: str) -> str:
    """The arXiv numbers of a source; without any the words up to its first comma or semicolon."""
    numbers = dict.fromkeys(re.findall(r"\b\d{4}\.\d{5}\b", source))
    links = [f"[{number}](https://arxiv.org/abs/{number})" for number in numbers]
    return ", ".join(links) or _cell(re.split("[,;]", source)[0])


def main() -> None:
    """`python -m harness.methods [NAME] [--config-dir DIR]`; exit code 2 for a user's mistake."""
    parser = argparse.ArgumentParser(
        "python -m harness.methods",
        description="The detectors there are and the baselines, or one of them in full.",
        epilog=TEACH,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", help="a detector to show in full")
    parser.add_argument(
        "--table",
        nargs="*",
        metavar="RUN",
        type=Path,
        help="the list in Markdown, with what the self-tests in these run folders found",
    )
    parser.add_argument("--config-dir", help="a folder with further method/NAME.yaml")
    arguments = parser.parse_args()
    ended(lambda: show(arguments.name, entries(arguments.config_dir), arguments.table))


def show(name: str | None, every: Sequence[Entry], table: Sequence[Path] | None = None) -> None:
    """Print the list or one detector; raises UserError for a name that is not there."""
    if table is not None:
        print("\n".join(markdown(in_families(every), table)))
        return
    if name:
        one = [entry for entry in every if entry.name == name]
        if not one:
            known = ", ".join(entry.name for entry in every)
            raise UserError(f"{name}: no such detector; there are {known}")
        print(page(one[0]))
        return
    console = Console()
    show_all(in_families(every), console)
    if console.is_terminal:
        console.print("\n[dim]NAME shows one in full, --help says what the columns mean[/dim]")


def show_all(every: Sequence[Entry], console: Console) -> None:
    """Print the list: in a pipe as wide as it needs, on a terminal as the window allows."""
    whole = table(every)
    wide = Console(width=10_000).measure(whole).maximum
    if not console.is_terminal:
        console.width = wide
    console.print(whole if wide <= console.width else narrow(every))


if __name__ == "__main__":
    main()
