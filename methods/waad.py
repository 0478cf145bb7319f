"""`waad`: sentences at which the heads that look at what is near look back farther."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field, PositiveInt

from harness import Evidence, Reach, SentenceScores, Trace

Share = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class WAAD:
    """Windowed average attention distance: how far the local heads look back from a sentence.

    WAAD_t = sum over s of a_ts min(t - s, `window`), averaged over the local heads, in tokens;
    score = mean over the sentence's tokens. Higher = more of an anchor: where a chunk of text
    begins, more than the nearest words is consulted. Local heads are the `share` of all heads whose
    mean backward distance d = mean over t of sum over s of a_ts (t - s) is smallest, over the
    trace's own tokens.

    Ours: heads are chosen on each trace anew, over all layers; the paper looks at tokens, and at
    the drop from one to the next.

    Diagnostics: all_heads, the same over every head.

    Source: Attention Illuminates LLM Reasoning, arXiv 2510.13554 (equations 7, 8, definition of
    WAAD).
    """

    window: PositiveInt
    share: Share

    family = "interpretability"
    signed = False

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Reach]:
        """Distances by head, from one pass."""
        return [self._want] if trace.sentences else []

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Tokens, at most `window`."""
        found = evidence.found(self._want)
        order = np.argsort(found.distance, axis=None, kind="stable")  # NaN comes last
        known = int(np.isfinite(found.distance).sum())
        heads = order[: max(1, round(self.share * known))]
        windowed = found.windowed.astype(np.float64).reshape(-1, found.windowed.shape[-1])
        every = windowed[order[:known]].mean(0)
        return SentenceScores(windowed[heads].mean(0), {"all_heads": every})

    @property
    def _want(self) -> Reach:
        return Reach(self.window, self.window, None)
