"""Recycling: does it help to run a block twice where the model writes thinking words?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import Field

from harness.agreement import Agreement
from harness.core import Condition, Detector, Draw, Evidence, Recycle, Trace, Want
from harness.evidence.gather import wants
from harness.interventions.thinking.vocabulary import Spell
from harness.interventions.thinking.words import (
    MATCHED,
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

PLAIN, ACCURACY = "once", "accuracy"


@dataclass(frozen=True)
class Recycling:
    """Accuracy when the output of a block runs through it again at thinking words.

    The model answers each problem anew, `draws` times: as it is, recycling at `k` thinking words,
    and at `k` others that are about as frequent and begin sentences about as often, so that both
    recycle about as often. The block is the one at `depth`, a share of all.

    Source: MI-Peaks, arXiv 2506.02867 (representation recycling; its code decides at each word by
    the toss of a coin, which the paper does not say and this does not do).
    """

    words: Choice
    k: Count
    depth: Annotated[float, Field(ge=0, le=1)]
    draws: Count
    until: Literal["end", "answer"]

    def prepared(self, about: About) -> "Searching":
        """At a block that there is; raises UserError where the run marks no peaks."""
        layer = round(self.depth * (about.blocks - 1))
        return Searching(self, layer, self.words.marker(about), about.spelled)


@dataclass(frozen=True, eq=False)
class Searching:
    """Before there are words."""

    conf: Recycling
    layer: int
    marker: Detector | None
    spelled: Spell

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """What the method wants that marks peaks."""
        return [] if self.marker is None else wants(self.marker, trace, have)

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> "Applied":
        """With the words of the calibration folds."""
        found = seen(traces, evidence, self.marker, self.spelled)
        return self._with(chosen(self.conf.words, found, (), self.conf.k))

    def foreseen(self) -> "Applied":
        """With as many words as are asked for."""
        return self._with(placeholders(self.conf.k))

    def _with(self, words: Words) -> "Applied":
        return Applied(self.conf, self.layer, {THINKING: words.thinking, MATCHED: words.matched})


@dataclass(frozen=True, eq=False)
class Applied:
    """With words: the problems are answered."""

    conf: Recycling
    layer: int
    words: Mapping[str, tuple[str, ...]]

    def arms(self) -> dict[str, Draw]:
        """The rollouts by where is recycled."""
        n, until = self.conf.draws, self.conf.until
        found = {PLAIN: Draw(0, n, until, "once")}
        for kind, words in self.words.items():
            under = Condition(under=(Recycle(self.layer, words),))
            found[kind] = Draw(0, n, until, f"twice-{digest(words)}", condition=under)
        return found

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Draw]:
        """Whole answers from the question on."""
        return [*self.arms().values()]

    def rows(self, trace: Trace, evidence: Evidence) -> pl.DataFrame:
        """The share of right answers by where is recycled."""
        found = [
            (kind, ACCURACY, float(drawn.correct.mean()) if len(drawn) else None, len(drawn),
             " ".join(word.strip() for word in self.words.get(kind, ())))
            for kind, draw in self.arms().items()
            for drawn in [evidence.found(draw)]
        ]  # fmt: skip
        return pl.DataFrame(found, schema=_ROWS, orient="row")

    def summary(self, frame: pl.DataFrame, conf: Agreement) -> pl.DataFrame:
        """What recycling at thinking words gains over the others and over none, then accuracies."""
        return summary_frame(effects(frame, conf))


_ROWS: Mapping[str, Any] = {
    "part": pl.String,
    "measure": pl.String,
    "value": pl.Float64,
    "n": pl.Int32,
    "words": pl.String,
}


def effects(frame: pl.DataFrame, conf: Agreement) -> list[dict[str, Any]]:
    """Differences of thinking words from their control and the rest, then accuracies."""
    unit = "probability"
    right = {
        part: by_problem(frame, {"part": part, "measure": ACCURACY})
        for part in frame["part"].unique(maintain_order=True)
    }
    others = [part for part in (MATCHED, *right) if part in right and part != THINKING]
    gains = [
        difference(right[THINKING], right[other], conf,
                   {"part": f"{THINKING} − {other}", "measure": "gain", "unit": unit})
        for other in dict.fromkeys(others)
    ]  # fmt: skip
    return gains + [
        mean(v, conf, {"part": part, "measure": ACCURACY, "unit": unit})
        for part, v in right.items()
    ]
