"""What the agreement frame says, as rows for tables and as sentences."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import polars as pl

from harness.agreement.verdict import TOO_FEW
from harness.plots.style import decimal, interval

RAW = "none"
VERDICTS = ("same", "overlapping", "unrelated", "opposed", "undecided", "unreliable", TOO_FEW)


@dataclass(frozen=True)
class Value:
    """An agreement from -1 to 1 and its interval; None = undefined."""

    value: float | None
    low: float | None
    high: float | None

    @property
    def text(self) -> str:
        """The value with two decimals, or n/a."""
        return decimal(self.value)

    @property
    def interval(self) -> str:
        """The interval in brackets, or that there is none."""
        return interval(self.low, self.high)


NOTHING = Value(None, None, None)


@dataclass(frozen=True)
class Pair:
    """Two methods by one statistic under every control; the counts are those of the raw row.

    Verdict, ceiling and what is left of noise are those under all controls at once.
    """

    model: str
    a: str
    b: str
    statistic: str
    under: Mapping[str, Value]
    n_problems: int
    n_traces: int
    n_sentences: int
    verdict: str | None
    ceiling: float | None
    disattenuated: Value
    n_problems_needed: int | None

    @property
    def differs(self) -> bool:
        """Whether noise alone does not explain that the two are not the same."""
        high = self.disattenuated.high
        return self.verdict in ("unrelated", "opposed") or (
            self.verdict == "overlapping" and high is not None and high < 1
        )

    @property
    def raw(self) -> Value:
        """Without control."""
        return self.at(RAW)

    def at(self, control: str) -> Value:
        """Under a control, undefined where that was not computed."""
        return self.under.get(control, NOTHING)

    def within(self, methods: Collection[str]) -> bool:
        """Whether both methods are among these."""
        return self.a in methods and self.b in methods


def pairs(agreement: pl.DataFrame, statistic: str) -> list[Pair]:
    """The pairs of one statistic, strongest raw agreement first, undefined ones last."""
    part = agreement.filter(pl.col("statistic") == statistic).fill_nan(None)
    found = [
        _pair(statistic, rows.rows(named=True))
        for _, rows in part.group_by("model", "a", "b", maintain_order=True)
    ]
    return sorted(found, key=lambda p: 1 if p.raw.value is None else -abs(p.raw.value))


def _pair(statistic: str, rows: list[dict[str, Any]]) -> Pair:
    by_control = {str(row["control"]): row for row in rows}
    counted = by_control.get(RAW, rows[0])
    # The verdict rests on all controls at once; a run without that row has a weaker one.
    judged = next((by_control[c] for c in ("all", "position") if c in by_control), counted)
    return Pair(
        str(rows[0]["model"]),
        str(rows[0]["a"]),
        str(rows[0]["b"]),
        statistic,
        {c: Value(row["value"], row["low"], row["high"]) for c, row in by_control.items()},
        *(int(counted[f"n_{of}"] or 0) for of in ("problems", "traces", "sentences")),
        verdict=judged["verdict"],
        ceiling=judged["ceiling"],
        disattenuated=Value(*(judged[f"disattenuated{end}"] for end in ("", "_low", "_high"))),
        n_problems_needed=judged["n_problems_needed"],
    )


def controls(pairs: Iterable[Pair]) -> list[str]:
    """The controls under which any of these pairs has a value, in the order of the frame."""
    found = [c for pair in pairs for c, value in pair.under.items() if value.value is not None]
    return [control for control in dict.fromkeys(found) if control != RAW]


def read_under(pairs: Iterable[Pair]) -> str:
    """The control to read: headroom where any pair has it, else position.

    A shared point after which no sentence matters makes position alone too weak a control.
    """
    return "headroom" if "headroom" in controls(pairs) else "position"


def findings(agreement: pl.DataFrame, detectors: Collection[str]) -> list[str]:
    """What was found, in words, one statement an entry; says so where nothing can be inferred."""
    every = pairs(agreement, "spearman")
    between = [pair for pair in every if pair.within(detectors)]
    if not between:
        return ["Fewer than two detectors have scores on the same sentences: nothing to compare."]
    control = read_under(between)
    known = [pair for pair in between if pair.raw.value is not None]
    said = [*_answer(between), _inference(between, control)]
    if known:
        said += [_strongest(known[0], control), _typical(known, control)]
    said += _beside_baselines(every, detectors)
    undefined = len(between) - len(known)
    if undefined:
        said.append(f"{_of(undefined, between, 'pairs')} could not be compared at all.")
    return said


def _answer(between: list[Pair]) -> list[str]:
    """Whether they select the same sentences; nothing where no verdict could be reached."""
    judged = [p for p in between if p.verdict not in (None, TOO_FEW)]
    if not judged:
        return []
    found = [p.verdict for p in between]
    counts = ", ".join(f"{found.count(v)} {v}" for v in VERDICTS if v in found)
    told = f"Verdicts on the {len(between)} pairs of detectors, all controls on: {counts}."
    same, differing = found.count("same"), sum(p.differs for p in judged)
    if same == len(between):
        return [f"These methods select the same sentences. {told}"]
    if differing:
        apart = f"{_of(differing, between, 'pairs')} differ by more than noise"
        said = "do not all select" if same else "do not select"
        return [f"These methods {said} the same sentences: {apart}. {told}"]
    return [
        f"Whether these methods select the same sentences is not decided. {told}{_needed(judged)}"
    ]


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
    controlled = pair.at(control)
    return (
        f"The strongest raw relation is between {pair.a} and {pair.b}: Spearman {pair.raw.text} "
        f"{pair.raw.interval}; with {control} controlled {controlled.text} {controlled.interval}."
    )


def _typical(known: list[Pair], control: str) -> str:
    raw = median(pair.raw.value for pair in known if pair.raw.value is not None)
    values = [v for pair in known if (v := pair.at(control).value) is not None]
    controlled = decimal(median(values)) if values else "n/a"
    told = f"{decimal(raw)} raw and {controlled} with {control} controlled"
    return f"The median pair of detectors has {told}."


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


def _of(count: int, total: Collection[object], noun: str) -> str:
    return f"{count or 'None'} of the {len(total)} {noun}"
