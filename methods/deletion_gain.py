"""What a sentence adds where the next token is hard to tell (after RPT, arXiv 2506.08007)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from pydantic import NonNegativeFloat, PositiveInt

from harness import Condition, Edit, Evidence, Read, SentenceScores, Trace

Tokens = Float[np.ndarray, " tokens"]


@dataclass(frozen=True)
class DeletionGain:
    """How much likelier a sentence makes the hard tokens behind it.

    The gain of a text in the place of sentence i is the mean, over the hard tokens among the next
    `window`, of log p(x_t | with the text) - log p(x_t | without anything there), in nats. The
    score is the gain of sentence i, less that of a sentence of another problem's trace in its
    place (log p without either cancels out). Higher = more of an anchor; below 0 = the other one
    serves better, which is less of one.

    top         a token is hard where the entropy of the `top` likeliest tokens, made to sum to 1,
    hard        exceeds this many nats: .5, 1 and 1.5 are easy, medium and hard in the source
    proxy       whose entropies these are, "" = the model's own, or a name from model.checkpoints
    window      tokens behind the sentence
    less_donor  false: the gain alone, which rises with anything that is said at all

    The other sentence is the nearest in characters that says something else; undefined without
    one, and where no token is hard. Diagnostics: gain and donor (that of the other sentence, NaN
    where it is not read), in nats; hard (how many tokens).

    Source: a detector of ours; the filter of hard tokens is that of Reinforcement Pre-Training,
    arXiv 2506.08007, whose reasoned guesses are the detector `rpt`.
    """

    top: PositiveInt
    hard: NonNegativeFloat
    proxy: str
    window: PositiveInt
    less_donor: bool

    family = "planting"
    signed = False

    @property
    def _entropies(self) -> Read:
        return Read(top_entropy=self.top, condition=Condition(self.proxy))

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Read]:
        """The trace as it is, and with each sentence deleted, and replaced."""
        every = [Read(logprob=True), self._entropies]
        for i in range(len(trace.sentences)):
            every += [_put(i, text) for text in self._texts(trace, have, i)]
        return every

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Nats a token."""
        n, plain = len(trace.sentences), _logprob(evidence, Read(logprob=True))
        found = {name: np.full(n, np.nan) for name in ("gain", "donor", "hard")}
        difficult = evidence.found(self._entropies).top_entropy[self.top] > self.hard
        for i in range(n):
            rows = self._rows(trace, difficult, i)
            found["hard"][i] = rows.sum()
            if not rows.any():
                continue
            without, *other = (
                _logprob(evidence, _put(i, text))[rows] for text in self._texts(trace, evidence, i)
            )
            found["gain"][i] = (plain[rows] - without).mean()
            found["donor"][i] = (other[0] - without).mean() if other else np.nan
        score = found["gain"] - found["donor"] if self.less_donor else found["gain"]
        reason = "" if found["hard"].any() else "no token is hard"
        return SentenceScores(score, found, reason=reason)

    def _rows(
        self, trace: Trace, difficult: Bool[np.ndarray, " tokens"], i: int
    ) -> Bool[np.ndarray, " tokens"]:
        """The hard tokens behind sentence i; none behind one that has no tokens."""
        sentence, token = trace.sentences[i], np.arange(len(difficult))
        near = (token >= sentence.stop) & (token < sentence.stop + self.window)
        return difficult & near & (sentence.stop > sentence.start)

    def _texts(self, trace: Trace, have: Evidence, i: int) -> list[str]:
        """What is put in a sentence's place: nothing, then another problem's sentence."""
        own = trace.sentences[i].text
        every = (
            (text for donor in have.donors for text in donor.sentences) if self.less_donor else ()
        )
        others = [text for text in every if text.strip() not in ("", own.strip())]
        nearest = min(others, key=lambda text: abs(len(text) - len(own)), default=None)
        return [""] if nearest is None else ["", nearest]


def _put(i: int, text: str) -> Read:
    return Read(logprob=True, condition=Condition(edits=(Edit(i, i + 1, text),)))


def _logprob(evidence: Evidence, read: Read) -> Tokens:
    logprob = evidence.found(read).logprob
    assert logprob is not None
    return logprob.astype(np.float64)
