"""`semantic_entropy`: sentences before which the model could go on to mean many things."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from harness import Draw, Embed, Evidence, SentenceScores, Trace
from harness.statistics.entropies import miller_madow

ARM = "sentence"


@dataclass(frozen=True)
class SemanticEntropy:
    """Entropy of what the next sentence would mean, drawn anew at the boundary before a sentence.

    One-sentence continuations are clustered by average linkage until the mean cosine between two
    clusters is below `threshold`; those that say nothing are a meaning of their own. Over the K
    clusters of N draws H = -sum p log p + (K - 1) / (2 N), in nats: the second term (Miller-Madow)
    makes up for meanings that were not drawn. Higher = more of an anchor.

    Diagnostics: meanings (K), draws (N).

    Source: Farquhar et al., Detecting hallucinations in large language models using semantic
    entropy, Nature 630 (2024), after Kuhn et al., arXiv 2302.09664; as a measure of planning in
    HICRA, arXiv 2509.03646.
    """

    threshold: Annotated[float, Field(gt=-1, lt=1)]
    embedder: str

    @property
    def family(self) -> str:
        """Information theory."""
        return "information"

    @property
    def signed(self) -> bool:
        """Few meanings are less of an anchor, not its opposite."""
        return False

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Draw | Embed]:
        """Next sentences before every sentence, then their embeddings."""
        boundaries = range(len(trace.sentences))
        draws = [Draw(k, have.draws, "sentence", ARM) for k in boundaries]
        if not all((ARM, k) in have.rollouts for k in boundaries):
            return draws
        texts = {text for k in boundaries for text in _sentences(have, k)}
        return [*draws, Embed(tuple(sorted(texts - {""})), self.embedder)]

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Nats; NaN where nothing was drawn."""
        counts = [self.meanings(evidence, k) for k in range(len(trace.sentences))]
        n = np.array([c.sum() for c in counts], dtype=np.float64)
        k = np.array([len(c) for c in counts], dtype=np.float64)
        diagnostics = {"meanings": np.where(n > 0, k, np.nan), "draws": n}
        return SentenceScores(np.array([miller_madow(c) for c in counts]), diagnostics)

    def meanings(self, evidence: Evidence, boundary: int) -> Int[np.ndarray, " meanings"]:
        """How many of the draws at a boundary have each meaning."""
        texts = _sentences(evidence, boundary)
        vectors = [evidence.embeddings[self.embedder, text] for text in texts if text]
        counts = np.bincount(self.clusters(np.array(vectors)))[1:] if vectors else np.zeros(0, int)
        silent = texts.count("")
        return np.append(counts, silent) if silent else counts

    def clusters(self, vectors: Float[np.ndarray, "draws dims"]) -> Int[np.ndarray, " draws"]:
        """The cluster of each unit vector, counted from 1."""
        if len(vectors) == 1:
            return np.ones(1, dtype=np.int64)
        distance = np.clip(1 - vectors.astype(np.float64) @ vectors.T, 0, 2)
        np.fill_diagonal(distance, 0)
        tree = linkage(squareform(distance, checks=False), "average")
        return fcluster(tree, 1 - self.threshold, "distance").astype(np.int64)


def _sentences(have: Evidence, boundary: int) -> list[str]:
    return [text.strip() for text in have.rollouts[ARM, boundary].first_sentence]
