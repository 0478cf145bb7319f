"""`gram_coverage`: sentences made of phrases that many solutions share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness import Embed, Evidence, SentenceScores, Trace, pool
from harness.text.grams import Lexicon, Mining, covered, phrases


@dataclass(frozen=True)
class GramCoverage:
    """Share of a sentence's tokens that lie inside a strategic gram; higher = more of an anchor.

    It reads the text alone: a planning detector that does no better tells nothing of the model.
    `lexicon` holds the grams, a file with one a line or a list; null: they are mined from the
    correct traces of other problems as `mining` says.

    Source: HICRA, arXiv 2509.03646 (strategic grams).
    """

    lexicon: Lexicon
    mining: Mining

    def __post_init__(self) -> None:
        if self.lexicon is not None:
            phrases(self.lexicon)  # a file that cannot be read is named at start

    @property
    def family(self) -> str:
        """Reinforcement learning of reasoning."""
        return "rl"

    @property
    def signed(self) -> bool:
        """Few grams are less of an anchor, not its opposite."""
        return False

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Embed]:
        """The grams' embeddings where they are mined."""
        mines = self.lexicon is None and trace.correct
        return [Embed(self.mining.candidates(trace.text), self.mining.embedder)] if mines else []

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> "GramCoverage":
        """A copy that knows the grams."""
        if self.lexicon is not None:
            return replace(self, lexicon=phrases(self.lexicon))
        grams, facts = self.mining.mined(traces, evidence)
        return Fitted(grams, self.mining, {**facts, "grams": list(grams)})

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """A share of tokens."""
        if not self.lexicon or isinstance(self.lexicon, str):
            reason = "no strategic gram found" if self.lexicon == () else "not fitted"
            return SentenceScores(np.full(len(trace.sentences), np.nan), reason=reason)
        inside = covered(trace, self.lexicon).astype(np.float64)
        return SentenceScores(pool(inside, trace.sentences, np.mean))


@dataclass(frozen=True)
class Fitted(GramCoverage):
    """The detector with the grams that it mined, and `facts` about how many there were."""

    facts: Mapping[str, int | list[str]]
