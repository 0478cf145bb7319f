"""`fai`: sentences that tokens some way behind attend to, in the heads that look back far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field, PositiveInt

from harness import Evidence, Reach, SentenceScores, Trace

Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class FAI:
    """Future attention influence: the attention that a sentence's tokens get from those behind.

    FAI_s = mean over tokens t from s + `near` to s + `far`, within the trace, of the attention
    weight from t to s, averaged over the global heads; score = mean over the sentence's tokens.
    Higher = more of an anchor. Global heads are the `share` of all heads whose mean backward
    distance d = mean over t of sum over s of a_ts (t - s) is largest, over the trace's own tokens.

    far null counts every later token, as in the paper's analysis; 10 and 50 are the horizon of its
    training. Ours: heads are chosen on each trace anew, over all layers; tokens with none behind
    them at that distance are undefined rather than 0; the paper looks at tokens, not sentences.

    Diagnostics: all_heads, the same over every head.

    Source: Attention Illuminates LLM Reasoning, arXiv 2510.13554 (equations 7, 8, definition of
    FAI).
    """

    near: PositiveInt
    far: PositiveInt | None
    share: Share

    family = "interpretability"
    signed = False

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Reach]:
        """Weights by distance, from one pass."""
        return [self._want] if trace.sentences else []

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """A weight; NaN for the last sentences, which nothing is far enough behind."""
        found = evidence.found(self._want)
        order = np.argsort(-found.distance, axis=None, kind="stable")  # NaN comes last
        known = int(np.isfinite(found.distance).sum())
        heads = order[: max(1, round(self.share * known))]
        received = found.received.astype(np.float64).reshape(-1, found.received.shape[-1])
        every = received[order[:known]].mean(0)
        return SentenceScores(received[heads].mean(0), {"all_heads": every})

    @property
    def _want(self) -> Reach:
        return Reach(self.near, self.near, self.far)
