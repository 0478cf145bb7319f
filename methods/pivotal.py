"""Pivotal tokens: where a single token moves the probability of a right answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from harness import Draw, Evidence, SentenceScores, Trace
from harness.statistics.bisection import jumps, known, place, visited

Part = Annotated[float, Field(gt=0, lt=1)]


@dataclass(frozen=True)
class Pivotal:
    """The largest jump of P(correct) across a token of the sentence.

    P(correct) is the share of right rollouts that go on behind the first t tokens of the trace.
    Recursive bisection: stretches of tokens are halved where P differs by `threshold` between their
    ends, until a single token is left. Jumps that are mended later leave equal ends: a stretch is
    halved, too, where its middle's interval (Wilson's, at `confidence`) holds neither end. Score =
    |change of P| across the sentence's token with the largest; 0 where no token was looked at
    alone. Higher = more of an anchor.

    threshold   the least jump that is pivotal
    confidence  of the interval of the middle
    until       as resampling's, whose rollouts at sentence boundaries these are

    Each halving is a round of sampling. Diagnostics: jump (with its sign: positive = the token
    helps), pivotal (tokens of at least `threshold`), looked (tokens looked at alone); by token the
    jumps, with those of at least `threshold` as peaks.

    Source: pivotal token search of the Phi-4 Technical Report, arXiv 2412.08905; there equal ends
    end the search, and only problems of middling difficulty are searched.
    """

    threshold: Part
    confidence: Part
    until: Literal["end", "answer"]

    family = "interpretability"
    signed = False
    adaptive = True

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Draw]:
        """Rollouts at the positions that the bisection visits, as far as those there tell."""
        if not trace.sentences:
            return []
        stops = _stops(trace)
        return [self._draw(stops, p, have.draws) for p in self._visited(trace, have)]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """A difference of probabilities; NaN where there are no rollouts."""
        every, there = self._visited(trace, evidence), known(_stops(trace), evidence.rollouts)
        shares = {p: there[p] for p in every if p in there}
        value, peak = np.full((2, len(trace.token_ids)), np.nan)
        for t, jump in jumps(shares).items():
            value[t], peak[t] = jump, float(round(abs(jump), 12) >= self.threshold)
        n = len(trace.sentences)
        jump, pivotal, looked = np.full((3, n), np.nan if not shares else 0.0)
        for i, sentence in enumerate(trace.sentences):
            span = slice(sentence.start, sentence.stop)
            alone = value[span][~np.isnan(value[span])]
            if len(alone):
                jump[i] = alone[np.argmax(np.abs(alone))]
                pivotal[i], looked[i] = np.nansum(peak[span]), len(alone)
        diagnostics = {"jump": jump, "pivotal": pivotal, "looked": looked}
        tokens = {"value": value, "peak": peak} if np.isfinite(value).any() else {}
        return SentenceScores(np.abs(jump), diagnostics, tokens=tokens)

    def _visited(self, trace: Trace, have: Evidence) -> list[int]:
        """The positions, whatever else others have drawn rollouts at."""
        stops = _stops(trace)
        shares = known(stops, have.rollouts)
        every = visited(stops[0], stops[-1], shares, self.threshold, self.confidence)
        return sorted({*every})

    def _draw(self, stops: Sequence[int], position: int, n: int) -> Draw:
        where = place(stops, position)
        return Draw(where.boundary, n, self.until, where.arm, skip=where.skip)


def _stops(trace: Trace) -> tuple[int, ...]:
    return (trace.sentences[0].start, *(s.stop for s in trace.sentences))
