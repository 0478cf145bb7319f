"""What the agreement frame says, in sentences."""

from collections.abc import Collection, Iterable
from statistics import median

import polars as pl

from harness.agreement.verdict import TOO_FEW
from harness.report.format import decimal
from harness.report.pairs import Pair, pairs, read_under

VERDICTS = (
    "same",
    "overlapping",
    "different",
    "unrelated",
    "opposed",
    "undecided",
    "unreliable",
    TOO_FEW,
)


def findings(
    agreement: pl.DataFrame, detectors: Collection[str], truths: Collection[str]
) -> list[str]:
    """What was found, in words, one statement an entry; says so where nothing can be inferred.

    `truths` are methods that stand for what is known: nothing is claimed of them, but it is said
    how close the detectors come.
    """
    every = pairs(agreement, "spearman")
    between = [pair for pair in every if pair.within(detectors)]
    rest = [pair for pair in every if not {pair.a, pair.b} & set(truths)]
    said = ["Fewer than two detectors have scores on the same sentences: nothing to compare."]
    if between:
        said = _between(between, rest, detectors)
    return [*said, *beside_truth(every, detectors, truths)]


def _between(between: list[Pair], rest: list[Pair], detectors: Collection[str]) -> list[str]:
    """What the detectors have in common with one another and, in `rest`, with baselines."""
    control = read_under(between)
    known = [pair for pair in between if pair.raw.value is not None]
    said = [*_answer(between), _inference(between, control)]
    if known:
        said += [_strongest(known[0], control), _typical(known, control)]
    said += _beside_baselines(rest, detectors)
    undefined = len(between) - len(known)
    if undefined:
        said.append(f"{_of(undefined, between, 'pairs')} could not be compared at all.")
    return said


def _answer(between: list[Pair]) -> list[str]:
    """Whether they select the same sentences; nothing where no verdict could be reached."""
    told_of = [p for p in between if p.verdict in VERDICTS]
    judged = [p for p in told_of if p.verdict != TOO_FEW]
    if not judged:
        return []
    found = [p.verdict for p in told_of]
    counts = ", ".join(f"{found.count(v)} {v}" for v in VERDICTS if v in found)
    told = f"Verdicts on {_all(told_of, between)} of detectors, under structure: {counts}."
    if len(told_of) < len(between):
        told += " Of the other pairs a control takes one method out."
    same, differing = found.count("same"), sum(p.differs for p in judged)
    if same == len(told_of):
        return [f"These methods select the same sentences. {told}"]
    if differing:
        apart = f"{_of(differing, told_of, 'pairs')} do not name the same ones"
        said = "do not all select" if same else "do not select"
        return [f"These methods {said} the same sentences: {apart}. {told}"]
    return [
        f"Whether these methods select the same sentences is not decided. {told}{_needed(judged)}"
    ]


def _all(told_of: list[Pair], between: list[Pair]) -> str:
    every = f"the {len(between)} pairs" if len(between) > 1 else "the one pair"
    return every if len(told_of) == len(between) else f"{len(told_of)} of {every}"


def _needed(judged: list[Pair]) -> str:
    needed = [p.n_problems_needed for p in judged if p.n_problems_needed is not None]
    return f" About {max(needed):,} problems would decide all." if needed else ""


def _inference(between: list[Pair], control: str) -> str:
    tested = [pair.at(control) for pair in between if pair.at(control).low is not None]
    n = max(pair.n_problems for pair in between)
    if not tested and any(pair.raw.low is not None for pair in between):
        return (
            f"No pair of detectors has an interval with {control} controlled: read no claim here."
        )
    if not tested:
        return f"Too few problems for inference ({n}): the numbers describe this run only."
    above = sum(value.low is not None and value.low > 0 for value in tested)
    below = sum(value.high is not None and value.high < 0 for value in tested)
    verb = "agrees" if above == 1 else "agree"
    opposed = f", {below} oppose each other" if below else ""
    return (
        f"{_of(above, tested, 'pairs of detectors')} {verb} beyond chance with {control} "
        f"controlled{opposed} (interval on one side of 0, each pair taken by itself)."
    )


def _strongest(pair: Pair, control: str) -> str:
    between = f"between {pair.a} and {pair.b}"
    return f"The strongest raw relation is {between}: {_told(pair, control)}."


def _told(pair: Pair, control: str) -> str:
    raw, under = pair.raw, pair.at(control)
    controlled = f"with {control} controlled {under.text} {under.interval}"
    return f"Spearman {raw.text} {raw.interval}; {controlled}"


def _typical(known: list[Pair], control: str) -> str:
    return f"The median pair of detectors has {_medians(known, control)}."


def _beside_baselines(every: list[Pair], detectors: Collection[str]) -> list[str]:
    """How many detectors resemble a baseline more than any other detector."""
    closest: dict[str, Pair] = {}
    for pair in every:
        for name in {pair.a, pair.b} & set(detectors):
            if pair.raw.value is not None:
                closest.setdefault(name, pair)
    if not closest or all(pair.within(detectors) for pair in every):
        return []
    nearer = sum(not pair.within(detectors) for pair in closest.values())
    verb = "is" if nearer == 1 else "are"
    said = f"{_of(nearer, closest, 'detectors')} {verb} closer to a baseline than to any detector."
    return [said]


def beside_truth(
    every: Iterable[Pair], detectors: Collection[str], truths: Collection[str]
) -> list[str]:
    """Which detector comes closest to what is known, and how close the others come."""
    beside = [pair for pair in every if pair.joins(detectors, truths)]
    known = [pair for pair in beside if pair.raw.value is not None]
    if not known:
        return []
    control = read_under(known)
    best = max(known, key=lambda pair: pair.raw.value or 0.0)
    name = best.a if best.a in detectors else best.b
    said = f"Of the detectors {name} agrees best with the truth: {_told(best, control)}."
    return [f"{said} The median detector has {_medians(known, control)}."]


def _medians(known: list[Pair], control: str) -> str:
    raw = median(pair.raw.value for pair in known if pair.raw.value is not None)
    values = [v for pair in known if (v := pair.at(control).value) is not None]
    controlled = decimal(median(values)) if values else "n/a"
    return f"{decimal(raw)} raw and {controlled} with {control} controlled"


def _of(count: int, total: Collection[object], noun: str) -> str:
    return f"{count or 'None'} of the {len(total)} {noun}"
