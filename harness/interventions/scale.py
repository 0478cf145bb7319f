"""Scaling: does a thinking word behind a finished trace make the answer better?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import polars as pl

from harness.agreement import Agreement
from harness.core import Detector, Draw, Evidence, Trace, Want
from harness.evidence.gather import wants
from harness.interventions.recycle import ACCURACY, effects
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
from harness.interventions.validation.effects import summary_frame
from harness.interventions.validation.intervention import About

FIRST, FREE = "first answer", "no word"


@dataclass(frozen=True)
class Scaling:
    """Accuracy when the reasoning is not closed but goes on with a thinking word.

    Where the trace ended its reasoning each of `k` thinking words is written and the model goes on
    for at most `budget` tokens (null: as far as a run goes), `draws` times; then the same with as
    many other words, about as frequent and as often at the beginning of a sentence, and with none.
    The first answer is that of the trace.

    Source: MI-Peaks, arXiv 2506.02867 (thinking-token based test-time scaling), one round of it.
    """

    words: Choice
    k: Count
    draws: Count
    budget: Count | None
    until: Literal["end", "answer"]

    def prepared(self, about: About) -> "Searching":
        """With the method that marks peaks; raises UserError where the run has not got it."""
        budget = self.budget or about.context  # within which a run has a cap of its own
        return Searching(replace(self, budget=budget), self.words.marker(about), about.spelled)


@dataclass(frozen=True, eq=False)
class Searching:
    """Before there are words."""

    conf: Scaling
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
        return Applied(self.conf, {THINKING: words.thinking, MATCHED: words.matched})


@dataclass(frozen=True, eq=False)
class Applied:
    """With words: the traces go on."""

    conf: Scaling
    words: Mapping[str, tuple[str, ...]]

    def arms(self, trace: Trace) -> list[tuple[str, str, Draw]]:
        """The rollouts of each word, by its kind."""
        n, end = self.conf.draws, len(trace.sentences)
        found = [(FREE, "", Draw(end, n, self.conf.until, "further", most=self.conf.budget))]
        for kind, words in self.words.items():
            found += [
                (kind, word, Draw(end, n, self.conf.until, f"further-{digest([word])}", append=word,
                                  most=self.conf.budget))
                for word in words
            ]  # fmt: skip
        return found

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Draw]:
        """What the model writes behind each word."""
        return [draw for *_, draw in self.arms(trace)]

    def rows(self, trace: Trace, evidence: Evidence) -> pl.DataFrame:
        """The share of right answers behind each word, and whether the trace's was right."""
        found: list[tuple[Any, ...]] = [(FIRST, ACCURACY, float(trace.correct), None, "")]
        for kind, word, draw in self.arms(trace):
            drawn = evidence.found(draw)
            value = float(drawn.correct.mean()) if len(drawn) else None
            found.append((kind, ACCURACY, value, len(drawn), word.strip()))
        return pl.DataFrame(found, schema=_ROWS, orient="row")

    def summary(self, frame: pl.DataFrame, conf: Agreement) -> pl.DataFrame:
        """What thinking words gain over the others, none and the first answer, then accuracies."""
        return summary_frame(effects(frame, conf))


_ROWS: Mapping[str, Any] = {
    "part": pl.String,
    "measure": pl.String,
    "value": pl.Float64,
    "n": pl.Int32,
    "word": pl.String,
}
