"""Deletion: what the answer is read from, by taking away what each method ranks highest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from pydantic import Field

from harness.agreement import Agreement
from harness.core import NO_ANSWER, Condition, Evidence, Likelihood, Trace, UserError, Want
from harness.interventions.deleted.effects import effects
from harness.interventions.deleted.rows import Drop, rows_of
from harness.interventions.deleted.sets import Matching, Set, Sizes, Taken, parts, taken, without
from harness.interventions.validation.effects import summary_frame
from harness.interventions.validation.intervention import About
from harness.text.answers import same

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
OWN, GOLD = "own", "gold"
Scores = tuple[tuple[str, bytes], ...]  # by method, as 64-bit floats


@dataclass(frozen=True)
class Deletion:
    """How much less likely the answer gets where the sentences a method ranks highest are gone.

    Value: log p (nats) and P of an answer with what closes it, forced behind the trace, before less
    after; positive = the answer was read from what is gone. The answer is the trace's own and the
    gold one, beside it in traces that ended right alike. As it is and with the sentences that state
    the answer gone from the start. Highest by score with its sign: what a method says hurts goes
    last. A set is compared with `draws` random ones, for each sentence one of the `pool` nearest in
    length and position. Area: the mean drop while the share of sentences gone grows from 0 to the
    largest of `shares`.

    how        mask: attention to them is taken away, the least damage; delete; replace by `neutral`
    sentences  how many go
    shares     what shares go, of the sentences that may
    methods    those that take part; null = all of the run
    closing    what closes an answer, so that 4 does not stand for 42

    Deletion shows what the answer is read from, not what decides it: of a chain of reasoning only
    the end is read. It ranks no method by truth: the exact truth of what decides has no large area.
    Source: after Lanham et al., arXiv 2307.13702, and deletion curves of feature attribution.
    """

    how: Literal["mask", "delete", "replace"]
    neutral: str
    sentences: tuple[Count, ...]
    shares: tuple[Share, ...]
    methods: tuple[str, ...] | None
    draws: Count
    pool: Count
    closing: str
    seed: int

    def prepared(self, about: About) -> "Deletion":
        """With the methods that the run has; raises UserError without scores, or for others."""
        if self.how == "replace" and not about.spells(self.neutral):
            raise UserError(
                f"neutral: the model's tokenizer cannot spell {self.neutral!r}; give another text"
            )
        missing = [name for name in self.methods or () if name not in about.scored]
        if missing:
            raise UserError(f"methods: the run has no scores of {' and '.join(missing)}")
        return replace(self, methods=self.methods or tuple(about.scored))

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """Each answer behind the trace without each set of sentences."""
        return asked(self, trace, have.force, self._scores(have))

    def rows(self, trace: Trace, evidence: Evidence) -> pl.DataFrame:
        """Drops by part, answer, method and place on the curve, those of matched sets beside."""
        answers, sizes, found = self.answers(trace), self.sizes, list[Drop]()
        for gone, taken_out in self.taken(trace, self._scores(evidence)):
            left = len(trace.sentences) - len(gone)
            for answer, text in answers.items():
                logprob = partial(self._logprob, trace, evidence, text, gone)
                before = logprob(())
                for one in taken_out:
                    at = [place for place, n in sizes.of(left).items() if n == one.size]
                    matched = np.array([logprob(each) for each in one.matched])
                    found.append(Drop(one, answer, before, logprob(one.chosen), matched, at))
        return rows_of(found)

    def summary(self, frame: pl.DataFrame, conf: Agreement) -> pl.DataFrame:
        """Areas by part, answer and method, and how far they are above those of matched sets."""
        return summary_frame(effects(frame, conf))

    @property
    def sizes(self) -> Sizes:
        """How many sentences go."""
        return Sizes(self.sentences, self.shares)

    def answers(self, trace: Trace) -> dict[str, str]:
        """The answers there are; one that is right is gold as gold is written."""
        own, gold = trace.answer.strip(), trace.problem.answer.strip()
        found = {OWN: own, GOLD: gold}
        if same(own, gold):
            found[OWN] = gold
        return {name: text for name, text in found.items() if text and text != NO_ANSWER}

    def taken(self, trace: Trace, scores: Scores) -> list[tuple[Set, list[Taken]]]:
        """By part what is gone from the start, and the sets; nothing without an answer."""
        answers = self.answers(trace)
        if not answers:
            return []
        away = parts(trace, [*answers.values()])
        known = {name: np.frombuffer(values) for name, values in scores}
        matching = Matching(self.pool, self.draws, self.seed)
        every = [*taken(trace, away, known, self.sizes, matching)]
        return [(gone, [one for one in every if one.part == part]) for part, gone in away.items()]

    def want(self, trace: Trace, force: str, text: str, gone: Set, more: Set) -> Likelihood:
        """An answer behind the trace without what is gone from the start and more."""
        condition: Condition = without(tuple(sorted({*gone, *more})), self.how, self.neutral)
        return Likelihood(text + self.closing, force, (len(trace.sentences),), condition)

    def _scores(self, have: Evidence) -> Scores:
        names = [name for name in self.methods or () if name in have.scores]
        return tuple((name, have.scores[name].astype(np.float64).tobytes()) for name in names)

    def _logprob(self, trace: Trace, have: Evidence, text: str, gone: Set, more: Set) -> float:
        return float(have.found(self.want(trace, have.force, text, gone, more))[0])


@lru_cache(maxsize=32)
def asked(conf: Deletion, trace: Trace, force: str, scores: Scores) -> tuple[Want[Any], ...]:
    """All that is wanted of a trace, each once; of one with many sets it is asked often."""
    found: dict[Want[Any], None] = {}
    for gone, taken_out in conf.taken(trace, scores):
        sets = {(), *(each for one in taken_out for each in (one.chosen, *one.matched))}
        for text in conf.answers(trace).values():
            found |= {conf.want(trace, force, text, gone, s): None for s in sorted(sets)}
    return tuple(found)
