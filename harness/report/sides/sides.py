"""What two runs say of the same pairs of methods, and how far the second differs from the first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text
from scipy import stats

from harness.agreement import Agreement
from harness.agreement.inference import interval
from harness.core import UserError
from harness.report.findings import statistic_of
from harness.report.pairs import NOTHING, Pair, Value, pairs, read_under
from harness.report.source import Source, read

MOST = 15  # pairs on the terminal
ByProblem = Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Side:
    """A run with the pairs of its detectors, by the names of both."""

    run: Path
    source: Source
    pairs: Mapping[tuple[str, str], Pair]
    statistic: str
    control: str


@dataclass(frozen=True)
class Difference:
    """A pair in both runs: the values, and the second less the first with its interval.

    `paired`: over the problems that both runs have; else the runs' problems are independent.
    """

    a: str
    b: str
    first: Value
    second: Value
    difference: Value
    verdicts: tuple[str, str]
    paired: bool


def side(run: Path) -> Side:
    """A run that has been reported on; raises UserError naming the file that it lacks."""
    source = read(run)
    statistic = statistic_of(source.agreement)
    between = [p for p in pairs(source.agreement, statistic) if p.within(source.detectors)]
    if len({pair.model for pair in between}) > 1:
        raise UserError(f"{run}: holds traces of several models; compare runs of one each")
    control = read_under(between)
    return Side(run, source, {_key(p.a, p.b): p for p in between}, statistic, control)


def differences(first: Side, second: Side, conf: Agreement) -> list[Difference]:
    """The pairs of detectors that both runs have, the largest differences first.

    Raises UserError where the runs have none, or not the same statistic and control.
    """
    for what in ("statistic", "control"):
        ours, theirs = getattr(first, what), getattr(second, what)
        if ours != theirs:
            raise UserError(
                f"{second.run}: its {what} is {theirs}, that of {first.run} {ours}; "
                "run python -m harness.report on both"
            )
    shared = [key for key in first.pairs if key in second.pairs]
    if not shared:
        raise UserError(f"{first.run} and {second.run}: have no two detectors in common")
    dots = [_dots(one) for one in (first, second)]
    found = [_difference(key, first, second, dots, conf) for key in shared]
    return sorted(found, key=lambda d: -abs(d.difference.value or 0.0))


def _key(a: str, b: str) -> tuple[str, str]:
    return (a, b) if a < b else (b, a)


def _dots(one: Side) -> dict[tuple[str, str], dict[str, float]]:
    """The values behind each pair by problem."""
    rows = one.source.by_problem.filter(statistic=one.statistic, control=one.control)
    found: dict[tuple[str, str], dict[str, float]] = {}
    for a, b, problem, value in (
        rows.select("a", "b", "problem_id", "value").drop_nulls("value").iter_rows()
    ):
        found.setdefault(_key(a, b), {})[problem] = value
    return found


def _difference(
    key: tuple[str, str],
    first: Side,
    second: Side,
    dots: Sequence[Mapping[tuple[str, str], ByProblem]],
    conf: Agreement,
) -> Difference:
    ours, theirs = (of.get(key, {}) for of in dots)
    there = [problem for problem in ours if problem in theirs]
    paired = len(there) >= conf.min_problems_interval
    if paired:
        found = _paired(np.array([theirs[p] - ours[p] for p in there]), conf)
    else:
        found = _apart(np.array([*ours.values()]), np.array([*theirs.values()]), conf)
    before, after = first.pairs[key], second.pairs[key]
    return Difference(
        *key,
        before.at(first.control),
        after.at(second.control),
        found,
        (before.verdict or "none", after.verdict or "none"),
        paired,
    )


def _paired(values: Float[np.ndarray, " problems"], conf: Agreement) -> Value:
    low, high = (None if isnan(end) else end for end in interval(values, conf))
    return Value(float(values.mean()), low, high)


def _apart(
    first: Float[np.ndarray, " problems"], second: Float[np.ndarray, " others"], conf: Agreement
) -> Value:
    """Welch's interval of the difference of two means."""
    if not len(first) or not len(second):
        return NOTHING
    value = float(second.mean() - first.mean())
    if min(len(first), len(second)) < conf.min_problems_interval:
        return Value(value, None, None)
    ends = stats.ttest_ind(second, first, equal_var=False).confidence_interval(conf.confidence)
    return Value(value, float(ends.low), float(ends.high))


def table(sides: Sequence[Side], found: Sequence[Difference]) -> Table:
    """The pairs that differ most, as the terminal shows them."""
    first, second = sides
    roles = first.source.roles
    shown = Table(
        title=f"{second.run.name} less {first.run.name}: {first.statistic} under {first.control}",
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    shown.add_column("pair", overflow="fold")
    for name in (first.run.name, second.run.name, "difference", "interval"):
        shown.add_column(Text(name), justify="right", no_wrap=True)
    for row in found[:MOST]:
        numbers = (row.first.text, row.second.text, row.difference.text, row.difference.interval)
        name = f"{roles.named(row.a)} ~ {roles.named(row.b)}"
        shown.add_row(*map(Text, (name, *numbers)))
    return shown


def claims(one: Side) -> pl.DataFrame:
    """The claims of a run, a row each; empty where it has none."""
    path = one.run / "claims.parquet"
    return pl.read_parquet(path).filter(part="") if path.is_file() else pl.DataFrame()
