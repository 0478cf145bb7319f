"""`routing`: sentences at which RL's model would take another way than base."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from harness import Compare, Condition, Evidence, Read, SentenceScores, Trace, pool

Mode = Literal["kl_max", "kl_sum", "js", "disagreement", "first", "soft"]
Tokens = Float[np.ndarray, " tokens"]


@dataclass(frozen=True)
class Routing:
    """How far two checkpoints part over a sentence, token by token, on the same prefix.

    A hybrid of the two hands a token to RL where they part: these are the sentences where it would.
    At T = 1 on the trace's own tokens, whichever checkpoint wrote it. Higher = more of an anchor.

    mode kl_max        the largest KL(rl || base) of a token, in nats
         kl_sum        the sum over the sentence's tokens, in nats
         js            mean Jensen-Shannon divergence, in nats
         disagreement  share of tokens whose likeliest next tokens differ, as published: most of
                       these are ties of wording
         first         1 where they differ at the sentence's first token, else 0
         soft          mean of max(0, log rl(x_t) - log base(x_t)), in nats
    rl, base    the checkpoints by name, "" = the model that wrote the trace

    Diagnostics: kl (the sum, in nats), in all modes but soft.

    Source: Base Models Know How to Reason, Thinking Models Learn When, arXiv 2510.07364 (tokens
    handed over where the likeliest differ); Sparse but Critical, arXiv 2603.22446 (`js`, there of
    each token); the other modes are variants of ours.
    """

    mode: Mode
    rl: str
    base: str

    family = "rl"
    signed = False

    @property
    def _pair(self) -> tuple[Condition, Condition]:
        """The trace as the two checkpoints read it."""
        return Condition(self.rl), Condition(self.base)

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Compare | Read]:
        """The two distributions at each token, or what they give the token that was written."""
        if self.mode == "soft":
            return [Read(logprob=True, condition=c) for c in self._pair]
        return [Compare(*self._pair)]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Nats, or a share of tokens; NaN for a sentence that one of the two cannot read whole."""
        if self.mode == "soft":
            ratio = np.subtract(*(_logprob(evidence, c) for c in self._pair))
            return SentenceScores(pool(np.maximum(0, ratio), trace.sentences, np.mean))
        found = evidence.found(Compare(*self._pair))
        kl = found.kl.astype(np.float64)
        if self.mode == "kl_max":
            score = pool(kl, trace.sentences, np.max)
        elif self.mode == "js":
            score = pool(found.js.astype(np.float64), trace.sentences, np.mean)
        elif self.mode == "disagreement":
            score = pool(found.argmax_differs.astype(np.float64), trace.sentences, np.mean)
        elif self.mode == "first":
            score = pool(found.argmax_differs.astype(np.float64), trace.sentences, _first)
        else:
            score = pool(kl, trace.sentences, np.sum)
        return SentenceScores(score, {"kl": pool(kl, trace.sentences, np.sum)})


def _first(span: Tokens) -> float:
    return float(span[0])


def _logprob(evidence: Evidence, condition: Condition) -> Tokens:
    """What a checkpoint gives each token of the trace, in double precision."""
    values = evidence.readings[condition].logprob
    assert values is not None
    return values.astype(np.float64)
