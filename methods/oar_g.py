"""`oar_g`: sentences whose embeddings the answer is sensitive to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import NonNegativeFloat

from harness import Evidence, Gradient, SentenceScores, Trace, pool


@dataclass(frozen=True)
class OARG:
    """Input-gradient sensitivity of the forced answer, averaged over a sentence's tokens.

    Mean over tokens of |g_t · e_t|: e_t is the embedding of token t, g_t the gradient with respect
    to it of how far a pass with noise on the reasoning's embeddings is from one without, the answer
    with what closes it forced behind the reasoning. Higher = more of an anchor: it finds what the
    answer is read from, to first order.

    of       kl: of KL(plain || noisy), each the softmax of the mean of the logits that predict the
             answer's tokens; its gradient goes to 0 with the noise, and its direction is the
             noise's. joint: of the mean log p of the answer's tokens, plain less noisy, in nats,
             which needs no noise
    noise    standard deviation on each embedding; seed: of its draw
    answer   own: the trace's; gold: the problem's
    closing  what closes an answer, so that 4 does not stand for 42

    Published: token weights made of log(1 + |g · e|), scaled to [0, 1] within a text and cut at a
    quantile, for training; here the sensitivities themselves, a sentence at a time.

    Source: Outcome-Grounded Advantage Reshaping, arXiv 2601.07408 (OAR-G), after its public code.
    """

    of: Literal["joint", "kl"]
    noise: NonNegativeFloat
    seed: int
    answer: Literal["gold", "own"]
    closing: str

    family = "rl"
    signed = False

    def __post_init__(self) -> None:
        Gradient("", "", self.of, self.noise, self.seed)  # refused at the start, not in the run

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Gradient]:
        """A forward and a backward pass; nothing where there is no answer."""
        text = trace.stated(self.answer)
        if not text or not trace.sentences:
            return []
        return [Gradient(text + self.closing, have.force, self.of, self.noise, self.seed)]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Nats, or a KL in nats, to first order; NaN where the trace does not fit."""
        wanted = self.wants(trace, evidence)
        if not wanted:
            nan = np.full(len(trace.sentences), np.nan)
            return SentenceScores(nan, reason=f"no answer (answer={self.answer})")
        sensitivity = np.abs(evidence.found(wanted[0]).astype(np.float64))
        return SentenceScores(pool(sensitivity, trace.sentences, np.mean))
