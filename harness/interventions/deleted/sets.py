"""The sentences that are taken out of a trace: the highest of each method, and matched ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.core import Condition, Edit, Mask, Trace
from harness.interventions.deleted.matched import Set, draws, near
from harness.text.stating import states

WHOLE, UNSTATED = "whole trace", "answer unstated"
SENTENCES, SHARE = "sentences", "share"  # what a place on a curve counts


@dataclass(frozen=True)
class Sizes:
    """How many sentences are taken out: numbers, and shares of those that may be."""

    sentences: tuple[int, ...]
    shares: tuple[float, ...]

    def of(self, n: int) -> dict[tuple[str, float], int]:
        """By place on a curve how many of n sentences; numbers beyond n are left out."""
        found = {(SENTENCES, float(j)): j for j in self.sentences if j <= n}
        return found | {(SHARE, s): max(1, round(s * n)) for s in self.shares if n}


@dataclass(frozen=True)
class Taken:
    """The highest sentences of a method among those that may go, and the matched sets."""

    part: str
    method: str
    size: int
    chosen: Set
    matched: tuple[Set, ...]


@dataclass(frozen=True)
class Matching:
    """How matched sets are drawn."""

    pool: int
    draws: int
    seed: int


def stating(trace: Trace, answers: Sequence[str]) -> Set:
    """The sentences that state one of some answers."""
    return tuple(
        i
        for i, s in enumerate(trace.sentences)
        if any(states(s.text, answer) for answer in answers)
    )


def parts(trace: Trace, answers: Sequence[str]) -> dict[str, Set]:
    """By part the sentences that are gone from the start: none, and those that state an answer."""
    gone = stating(trace, answers)
    return {WHOLE: (), UNSTATED: gone} if gone else {WHOLE: ()}


def taken(
    trace: Trace,
    gone: Mapping[str, Set],
    scores: Mapping[str, np.ndarray],
    sizes: Sizes,
    matching: Matching,
) -> Iterator[Taken]:
    """By part, method and size what is taken out; nothing where a method ranks too few."""
    for part, away in gone.items():
        among = [i for i in range(len(trace.sentences)) if i not in away]
        others = near(trace, among)
        for method, values in scores.items():
            order = [i for i in ranked(values) if i in others]
            for size in sorted({*sizes.of(len(among)).values()}):
                if size <= len(order):
                    chosen = tuple(sorted(order[:size]))
                    rest = tuple(others[i] for i in chosen)
                    sets = draws(
                        trace.id, chosen, rest, matching.pool, matching.draws, matching.seed
                    )
                    yield Taken(part, method, size, chosen, sets)


def without(sentences: Set, how: str, neutral: str) -> Condition:
    """The trace with some sentences masked, deleted, or replaced by a neutral one."""
    if how == "mask":
        return Condition(under=(Mask(sentences),)) if sentences else Condition()
    text = neutral if how == "replace" else ""
    return Condition(edits=tuple(Edit(i, i + 1, text) for i in sentences))


def ranked(scores: np.ndarray) -> list[int]:
    """The sentences with a defined score, the highest first, the earlier of two alike."""
    return [int(i) for i in np.argsort(-scores, kind="stable") if np.isfinite(scores[i])]
