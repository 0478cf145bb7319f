"""Looking ahead: does a sentence, told beforehand, make what leads up to it likelier."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from pydantic import NonNegativeInt, PositiveInt

from harness import NO_ANSWER, Condition, Edit, Evidence, Read, SentenceScores, Trace, UserError
from harness.text.stating import states

Tokens = Float[np.ndarray, " tokens"]


@dataclass(frozen=True)
class Lookahead:
    """How much likelier a sentence makes the way to it, beyond other later sentences.

    J(r) is the mean log p in nats of the tokens of sentences d..i-1 and of the final answer, with r
    disclosed before sentence d = i - `gap` (the first where there are fewer). The score of sentence
    i is J(i) less the mean J of `matches` others: of the later sentences that do not state the
    trace's answer those nearest in tokens, told in the same words at the same place. Sentence i
    itself, and what stands between it and the answer, are not counted. Higher = more of an anchor;
    below 0 = others help more, which is less of one.

    gap      sentences between the disclosure and what it tells
    matches  later sentences beside it; fewer where there are fewer
    wording  of the disclosure; {sentence} stands for what is told, {k} for how far off it is, 1 =
             the next. White space around it is as around the sentence in its own place
    answer   the last tokens of a trace, behind its reasoning, that count as its answer

    Undefined for the first sentence and where no later one can be matched. Diagnostics: gain (J(i)
    less that without a disclosure, in nats) and matched (how many sentences stand beside it).

    Source: after TRELAWNEY, arXiv 2504.11336, which trains on such disclosures; this reads them
    with a model that was not. Whether they help there is the claim `planting`.
    """

    gap: PositiveInt
    matches: PositiveInt
    wording: str
    answer: NonNegativeInt

    family = "planting"
    signed = False

    def __post_init__(self) -> None:
        try:
            told = self.wording.format(sentence="\0", k=1)
        except (KeyError, IndexError, ValueError):
            told = ""
        if told.count("\0") != 1:
            raise UserError("wording: must hold {sentence} once, may hold {k}, and no other brace")

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Read]:
        """The trace as it is, and behind each disclosure, read on from there."""
        beside = self._beside(trace)
        told = [self._told(trace, i, r) for i, others in beside.items() for r in (i, *others)]
        return [Read(logprob=True), *dict.fromkeys(told)]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Nats a token."""
        n = len(trace.sentences)
        score, gain, beside = np.full(n, np.nan), np.full(n, np.nan), self._beside(trace)
        for i, others in beside.items():
            rows = self._rows(trace, i)
            own, *rest = (_mean(evidence, self._told(trace, i, r), rows) for r in (i, *others))
            score[i] = own - np.mean(rest)
            gain[i] = own - _mean(evidence, Read(logprob=True), rows)
        count = np.array([len(beside.get(i, ())) for i in range(n)], dtype=np.float64)
        reason = "" if beside else "no sentence has a later one to match"
        return SentenceScores(score, {"gain": gain, "matched": count}, reason=reason)

    def _beside(self, trace: Trace) -> dict[int, tuple[int, ...]]:
        """The sentences that are scored, each with those that it is held against."""
        size = np.array([s.stop - s.start for s in trace.sentences])
        free = [i for i, s in enumerate(trace.sentences) if size[i] and not _states(s.text, trace)]
        found: dict[int, tuple[int, ...]] = {}
        for i in range(1, len(size)):
            later = [r for r in free if r > i]
            nearest = sorted(later, key=lambda r: (abs(int(size[r] - size[i])), r))
            if nearest and size[i] and len(self._rows(trace, i)):
                found[i] = tuple(nearest[: self.matches])
        return found

    def _told(self, trace: Trace, i: int, r: int) -> Read:
        """The trace with sentence r told before what leads up to sentence i."""
        d, text = self._before(i), trace.sentences[r].text
        words = text.strip()
        lead, _, trail = text.partition(words) if words else ("", "", "")
        told = f"{lead}{self.wording.format(sentence=words, k=i - d + 1)}{trail}"
        return Read(logprob=True, condition=Condition(edits=(Edit(d, d, told),)))

    def _before(self, i: int) -> int:
        return max(0, i - self.gap)

    def _rows(self, trace: Trace, i: int) -> Int[np.ndarray, " rows"]:
        """The tokens that count for sentence i: those that lead up to it, and the answer's."""
        way = np.arange(trace.sentences[self._before(i)].start, trace.sentences[i].start)
        last = len(trace.token_ids)
        return np.concatenate([way, np.arange(max(trace.reasoning.stop, last - self.answer), last)])


def _states(text: str, trace: Trace) -> bool:
    return trace.answer != NO_ANSWER and states(text, trace.answer)


def _mean(evidence: Evidence, read: Read, rows: Int[np.ndarray, " rows"]) -> float:
    """Mean log p; NaN where a token lies beyond the context."""
    logprob = evidence.found(read).logprob
    assert logprob is not None
    return float(logprob.astype(np.float64)[rows].mean())
