"""`judge`: sentences that another model says matter."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from pydantic import PositiveFloat, PositiveInt

from harness import Ask, Evidence, Reply, SentenceScores, Trace, UserError

_LINE = re.compile(r"^\W*(\d+)\W*[:=]\s*\**(-?\d+(?:\.\d+)?)", re.MULTILINE)


@dataclass(frozen=True)
class Judge:
    """What a language model behind an OpenAI-compatible endpoint says of each sentence.

    One message a trace: the rubric with {question} and {sentences}, these numbered from 1, one a
    line. Of the reply every line "number: score" counts; the score of a sentence is the last one
    given, in the rubric's own units. Higher = more of an anchor, so the rubric must ask for it. A
    judge reads the text: it knows nothing of what the model would have done without a sentence.

    url, model  of the endpoint, before /chat/completions, and the model's name there
    key         environment variable with the API key, "" for none
    rubric      what is asked
    most        tokens of a reply
    timeout     seconds until a request is given up
    budget      tokens read and written by all judging of a run, beyond which nothing is asked
    least       share of the sentences that a reply must score

    Replies are kept in the run's folder `asked` with their tokens, so that nothing is paid twice.
    Where the endpoint is out of reach, answers nonsense or has spent its budget, a trace is
    undefined with that reason, which the status file counts.

    Source: a baseline of ours; such judges are compared with measured importances in Legibility is
    Not Interpretability, arXiv 2609.04194.
    """

    url: str
    model: str
    key: str
    rubric: str
    most: PositiveInt
    timeout: PositiveFloat
    budget: PositiveInt
    least: PositiveFloat

    family = "judge"
    signed = False
    worded = True  # it reads nothing but words

    def __post_init__(self) -> None:
        missing = [name for name in ("{question}", "{sentences}") if name not in self.rubric]
        if missing:
            raise UserError(f"rubric: must hold {' and '.join(missing)}")

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Ask]:
        """One message about the whole trace."""
        return [self._want(trace)] if trace.sentences else []

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """The rubric's units; NaN for a sentence that the reply leaves out."""
        nan = np.full(len(trace.sentences), np.nan)
        reply = evidence.found(self._want(trace))
        if reply.fault:
            return SentenceScores(nan, reason=reply.fault)
        found = scores(reply, len(nan))
        if np.isfinite(found).mean() < self.least:
            return SentenceScores(nan, reason="the judge scores too few sentences")
        return SentenceScores(found)

    def _want(self, trace: Trace) -> Ask:
        numbered = [f"{i}. {' '.join(s.text.split())}" for i, s in enumerate(trace.sentences, 1)]
        given = {"question": trace.problem.question, "sentences": "\n".join(numbered)}
        message = re.sub(r"\{(question|sentences)\}", lambda m: given[m.group(1)], self.rubric)
        return Ask(self.url, self.model, self.key, message, self.most, self.timeout, self.budget)


def scores(reply: Reply, n: int) -> Float[np.ndarray, " sentences"]:
    """The last score that a reply gives to each of `n` sentences, NaN where it gives none."""
    found = np.full(n, np.nan)
    for number, score in _LINE.findall(reply.text):
        if 1 <= int(number) <= n:
            found[int(number) - 1] = float(score)
    return found
