"""`deep_thinking`: sentences of tokens that are settled in the last blocks only."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import Field

from harness import Evidence, Lens, SentenceScores, Trace, pool

Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class DeepThinking:
    """Share of a sentence's tokens whose prediction settles late in the depth of the model.

    A token is settled at the first block c whose prediction has come as near to the final one as
    `settled`: c = min l with min over j <= l of JSD(p_L, p_j) <= settled, in bits, p_l what the
    model's last norm and head make of the state behind block l = 1 ... L that predicts the token.
    It is a deep-thinking token if c >= ceil(depth L). Higher = more of an anchor. A model of few
    blocks has few depths to tell apart.

    Diagnostics: depth (the mean of c / L over the sentence's tokens).

    Ours: a share of each sentence, of the whole text there; the last norm is put before the head
    for every block (the paper writes the head alone, its reimplementations put the norm before it).

    Source: Think Deep, Not Just Long, arXiv 2602.13517 (deep-thinking ratio, algorithm 1).
    """

    settled: Share
    depth: Share

    family = "interpretability"
    signed = False

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Lens]:
        """What each block would predict, from one pass."""
        return [Lens()] if trace.sentences else []

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """A share of tokens; NaN beyond the model's context."""
        apart = evidence.found(Lens()).astype(np.float64)
        total = len(apart) + 1  # the last block is settled, whatever it predicts
        depth = settling(apart, self.settled)
        deep = np.where(np.isnan(depth), np.nan, depth >= ceil(self.depth * total - 1e-9))
        pooled = [pool(values, trace.sentences, np.mean) for values in (deep, depth / total)]
        return SentenceScores(pooled[0], {"depth": pooled[1]})


def settling(
    apart: Float[np.ndarray, "blocks tokens"], settled: float
) -> Float[np.ndarray, " tokens"]:
    """The first block, from 1, whose running least divergence is at most `settled`, else the last.

    NaN for a token without a prediction. `apart` is without the last block, which may be the only.
    """
    if not len(apart):
        return np.ones(apart.shape[1])
    near = np.minimum.accumulate(apart, axis=0) <= settled
    first = np.where(near.any(0), near.argmax(0) + 1, len(apart) + 1).astype(np.float64)
    return np.where(np.isnan(apart).any(0), np.nan, first)
