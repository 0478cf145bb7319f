"""What the agreement frame says, in sentences."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from statistics import median

import polars as pl

from harness.agreement.verdict import TOO_FEW, UNDECIDED
from harness.report.format import decimal
from harness.report.pairs import APART, Pair, pairs, read_under

SAME, OVERLAPPING = "same", "overlapping"
OPEN = (UNDECIDED, "unreliable", TOO_FEW)
VERDICTS = (SAME, *APART, OVERLAPPING, *OPEN)
STATISTICS = ("topdown", "spearman")  # the first that a run has is what sentences give
MARK = "†"  # of detectors that were told what is planted


@dataclass(frozen=True)
class Roles:
    """The methods by what may be claimed of them.

    `truths` stand for what is known: nothing is claimed of them, but how close the detectors come.
    Those of the detectors that were `given_truth` are marked, and count for no answer.
    """

    detectors: Collection[str]
    truths: Collection[str]
    given_truth: Collection[str]

    @property
    def fair(self) -> list[str]:
        """The detectors that were not told what is planted."""
        return [name for name in self.detectors if name not in self.given_truth]

    def named(self, *names: str) -> str:
        """Methods in words, those that were told the truth marked."""
        marked = [f"{name}{MARK}" if name in self.given_truth else name for name in names]
        return " and ".join(marked)


def statistic_of(agreement: pl.DataFrame) -> str:
    """The statistic that sentences and tables give."""
    there = set(agreement["statistic"])
    return next((name for name in STATISTICS if name in there), STATISTICS[-1])


def findings(agreement: pl.DataFrame, roles: Roles) -> list[str]:
    """What was found, in words, one statement an entry; says so where nothing can be inferred."""
    every = pairs(agreement, statistic_of(agreement))
    between = [pair for pair in every if pair.within(roles.fair)]
    rest = [pair for pair in every if not {pair.a, pair.b} & {*roles.truths, *roles.given_truth}]
    found = ["Fewer than two detectors have scores on the same sentences: nothing to compare."]
    if between:
        found = _between(between, rest, roles)
    return [*found, *beside_truth(every, roles)]


def _between(between: list[Pair], rest: list[Pair], roles: Roles) -> list[str]:
    """What the detectors have in common with one another and, in `rest`, with baselines."""
    control = read_under(between)
    known = [pair for pair in between if pair.raw.value is not None]
    found = [*_answer(between, roles), _inference(between, control)]
    if known:
        found += [_strongest(known[0], control, roles), _typical(known, control)]
    found += _beside_baselines(rest, roles)
    undefined = len(between) - len(known)
    if undefined:
        found.append(f"{_of(undefined, between, 'pairs')} could not be compared at all.")
    return found


def _answer(between: list[Pair], roles: Roles) -> list[str]:
    """Whether they select the same sentences; nothing where no verdict could be reached.

    What is open is never read as a difference.
    """
    judged = [pair for pair in between if pair.verdict in VERDICTS]
    n = {verdict: sum(p.verdict == verdict for p in judged) for verdict in VERDICTS}
    if n[TOO_FEW] == len(judged):
        return []
    apart = sum(n[verdict] for verdict in APART)
    counts = f"{_counts(judged, n, apart)}{_aside(roles)}"
    if n[SAME] == len(judged):
        return [f"These methods select the same sentences: {counts}"]
    if apart:
        return [f"These methods do not all select the same sentences: {counts}"]
    if n[OVERLAPPING]:
        return [f"These methods select sentences that overlap, none is known to differ: {counts}"]
    needed = _needed(judged)
    return [f"Whether these methods select the same sentences is not decided: {counts}{needed}"]


def _counts(judged: list[Pair], n: dict[str, int], apart: int) -> str:
    """The verdicts on pairs of detectors, same against apart first."""
    kinds = [f"{n[verdict]} {verdict}" for verdict in APART if n[verdict]]
    still = sum(n[verdict] for verdict in OPEN)
    parts = [
        f"{n[SAME]} {_plural(n[SAME], 'does', 'do')}",
        f"{apart} {_plural(apart, 'does', 'do')} not" + (f" ({', '.join(kinds)})" if kinds else ""),
        f"{n[OVERLAPPING]} {_plural(n[OVERLAPPING], 'overlaps', 'overlap')}",
        f"{still} {_plural(still, 'is', 'are')} open",
    ]
    of = f"of {len(judged)} pairs" if len(judged) > 1 else "of the one pair"
    return f"{of} of detectors {', '.join(parts)}."


def _plural(n: int, one: str, more: str) -> str:
    return one if n == 1 else more


def _aside(roles: Roles) -> str:
    """Which detectors do not count, and why."""
    informed = [name for name in roles.detectors if name in roles.given_truth]
    if not informed:
        return ""
    verb = _plural(len(informed), "does", "do")
    return f" {roles.named(*informed)}, told what is planted, {verb} not count."


def _needed(judged: list[Pair]) -> str:
    needed = [p.n_problems_needed for p in judged if p.n_problems_needed is not None]
    return f" About {max(needed):,} problems would decide all." if needed else ""


def _inference(between: list[Pair], control: str) -> str:
    tested = [pair.at(control) for pair in between if pair.at(control).low is not None]
    n = max(pair.n_problems for pair in between)
    if not tested and any(pair.raw.low is not None for pair in between):
        return f"No pair of detectors has an interval under {control}: read no claim here."
    if not tested:
        return f"Too few problems for inference ({n}): the numbers describe this run only."
    above = sum(value.low is not None and value.low > 0 for value in tested)
    below = sum(value.high is not None and value.high < 0 for value in tested)
    opposed = f", {below} less than chance" if below else ""
    return (
        f"{_of(above, tested, 'pairs of detectors')} {_plural(above, 'agrees', 'agree')} beyond "
        f"chance under {control}{opposed} (interval on one side of 0, each pair taken by itself)."
    )


def _strongest(pair: Pair, control: str, roles: Roles) -> str:
    between = f"between {roles.named(pair.a, pair.b)}"
    return f"The strongest raw relation is {between}: {_numbers(pair, control)}."


def _numbers(pair: Pair, control: str) -> str:
    raw, under = pair.raw, pair.at(control)
    name = pair.statistic.replace("spearman", "Spearman")
    return f"{name} {raw.text} {raw.interval}; under {control} {under.text} {under.interval}"


def _typical(known: list[Pair], control: str) -> str:
    return f"The median pair of detectors has {_medians(known, control)}."


def _beside_baselines(every: list[Pair], roles: Roles) -> list[str]:
    """How many detectors resemble a baseline more than any other detector."""
    closest: dict[str, Pair] = {}
    for pair in every:
        for name in {pair.a, pair.b} & set(roles.fair):
            if pair.raw.value is not None:
                closest.setdefault(name, pair)
    if not closest or all(pair.within(roles.fair) for pair in every):
        return []
    nearer = sum(not pair.within(roles.fair) for pair in closest.values())
    verb = _plural(nearer, "is", "are")
    return [
        f"{_of(nearer, closest, 'detectors')} {verb} closer to a baseline than to any detector."
    ]


def beside_truth(every: Iterable[Pair], roles: Roles) -> list[str]:
    """Which detector that was not told comes closest to what is known, and how the others do."""
    known = [pair for pair in every if pair.raw.value is not None]
    fair = [pair for pair in known if pair.joins(roles.fair, roles.truths)]
    informed = [pair for pair in known if pair.joins(roles.given_truth, roles.truths)]
    if not fair:
        return []
    control = read_under(fair)
    best = max(fair, key=lambda pair: pair.raw.value or 0.0)
    name = best.a if best.a in roles.detectors else best.b
    who = "detectors that were not told what is planted" if informed else "detectors"
    text = f"Of the {who} {name} agrees best with the truth: {_numbers(best, control)}."
    text += f" The median detector has {_medians(fair, control)}."
    if informed:
        others = [
            f"{roles.named(p.a if p.a in roles.given_truth else p.b)} {p.raw.text}"
            for p in informed
        ]
        text += f" Those that were told: {', '.join(others)}."
    return [text]


def _medians(known: list[Pair], control: str) -> str:
    raw = median(pair.raw.value for pair in known if pair.raw.value is not None)
    values = [v for pair in known if (v := pair.at(control).value) is not None]
    controlled = decimal(median(values)) if values else "n/a"
    return f"{decimal(raw)} raw and {controlled} under {control}"


def _of(count: int, total: Collection[object], noun: str) -> str:
    return f"{count or 'None'} of the {len(total)} {noun}"
