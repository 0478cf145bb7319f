"""Token suppression: is forbidding thinking words worse than forbidding others like them?"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from harness.agreement import Agreement
from harness.core import Condition, Detector, Draw, Evidence, Forbid, Trace, UserError, Want
from harness.evidence.gather import wants
from harness.interventions.thinking.vocabulary import Spell
from harness.interventions.thinking.words import (
    MATCHED,
    RANDOM,
    THINKING,
    Choice,
    Count,
    Words,
    chosen,
    digest,
    placeholders,
    seen,
)
from harness.interventions.validation.effects import by_problem, difference, mean, summary_frame
from harness.interventions.validation.intervention import About

FREE, ACCURACY = "nothing", "accuracy"


@dataclass(frozen=True)
class Tokens:
    """Accuracy when thinking words may not be written, beside as many others.

    The model answers each problem anew, `draws` times, while the first k thinking words are
    forbidden, for each k of `k`; k words that are matched in frequency and in how often they begin
    a sentence, and k random ones of the vocabulary, as published, are the controls: what random
    words do not cost may be their rarity alone. Words are found on the calibration folds.

    Source: MI-Peaks, arXiv 2506.02867 (thinking tokens suppressed; random ones as its control).
    """

    words: Choice
    k: tuple[Count, ...]
    draws: Count
    until: Literal["end", "answer"]

    def prepared(self, about: About) -> "Searching":
        """With the method that marks peaks; raises UserError where the run has not got it."""
        return Searching(self, self.words.marker(about), about.spelled, about.vocabulary())


@dataclass(frozen=True, eq=False)
class Searching:
    """Before there are words."""

    conf: Tokens
    marker: Detector | None
    spelled: Spell
    vocabulary: tuple[str, ...]

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """What the method wants that marks peaks."""
        return [] if self.marker is None else wants(self.marker, trace, have)

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> "Forbidding":
        """With words; raises UserError for fewer than the smallest k."""
        found = seen(traces, evidence, self.marker, self.spelled)
        words = chosen(self.conf.words, found, self.vocabulary, max(self.conf.k))
        if not words.lists(min(self.conf.k)):
            raise UserError(f"{len(words.thinking)} thinking words, and k asks for more")
        return Forbidding(self.conf, words)

    def foreseen(self) -> "Forbidding":
        """With as many words as are asked for."""
        return Forbidding(self.conf, placeholders(max(self.conf.k)))


@dataclass(frozen=True, eq=False)
class Forbidding:
    """With words: the problems are answered without them."""

    conf: Tokens
    words: Words

    def arms(self) -> Iterator[tuple[str, int, tuple[str, ...], Draw]]:
        """What is forbidden, how many words, which, and the rollouts."""
        n, until = self.conf.draws, self.conf.until
        yield FREE, 0, (), Draw(0, n, until, "free")
        for k in self.conf.k:
            for kind, words in self.words.lists(k).items():
                under = Condition(under=(Forbid(words),))
                yield kind, k, words, Draw(0, n, until, f"without-{digest(words)}", condition=under)

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Draw]:
        """Whole answers from the question on."""
        return [draw for *_, draw in self.arms()]

    def rows(self, trace: Trace, evidence: Evidence) -> pl.DataFrame:
        """The share of right answers by what is forbidden."""
        found = [
            (kind, ACCURACY, k, float(drawn.correct.mean()) if len(drawn) else None, len(drawn),
             " ".join(word.strip() for word in words))
            for kind, k, words, draw in self.arms()
            for drawn in [evidence.found(draw)]
        ]  # fmt: skip
        return pl.DataFrame(found, schema=_ROWS, orient="row")

    def summary(self, frame: pl.DataFrame, conf: Agreement) -> pl.DataFrame:
        """What thinking words cost beyond others, then accuracy by kind and number of words."""
        return summary_frame(effects(frame, conf))


_ROWS: Mapping[str, Any] = {
    "part": pl.String,
    "measure": pl.String,
    "at": pl.Float64,
    "value": pl.Float64,
    "n": pl.Int32,
    "words": pl.String,
}


def effects(frame: pl.DataFrame, conf: Agreement) -> list[dict[str, Any]]:
    """By k accuracy without the controls less that without thinking words, then accuracies."""
    unit = "probability"
    cells = frame.select("part", "at").unique().sort("at", "part")
    right = {
        (part, at): by_problem(frame, {"part": part, "measure": ACCURACY, "at": at})
        for part, at in cells.iter_rows()
    }
    found: list[dict[str, Any]] = []
    for control in (MATCHED, RANDOM):
        found += [
            difference(
                right[control, at], values, conf,
                {"part": f"{control} − {THINKING}", "measure": "cost", "at": at, "unit": unit},
            )
            for (part, at), values in right.items()
            if part == THINKING and (control, at) in right
        ]  # fmt: skip
    return found + [
        mean(values, conf, {"part": part, "measure": ACCURACY, "at": at, "unit": unit})
        for (part, at), values in right.items()
    ]
