"""`suppression`: sentences without which the model would go on otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool
from pydantic import PositiveFloat, PositiveInt

from harness import Evidence, SentenceScores, Suppress, Trace
from harness.statistics.pairs import Matrix, behind, lags, mean, sentence_means

Centring = Literal["row", "distance", "none"]


@dataclass(frozen=True)
class Suppression:
    """How far hiding a sentence from all later tokens moves the distributions of later sentences.

    S(i, j) = mean of log(KL(P_t || P_t without j) + epsilon) over the tokens t of sentence i > j,
    those left out that the mask cannot touch; centred; the score of j is the mean over i. Higher =
    more of an anchor. `centring` subtracts from S the mean of its row (how easily i is moved by
    anything before it), that of all pairs as far apart (i - j), or none. `window` counts only so
    many next sentences. Row means move with i, so scores lean on position: read them controlled
    for it.

    Source: Bogdan et al., Thought Anchors, arXiv 2506.19143 (attention suppression).
    """

    own_rows: bool
    temperature: PositiveFloat
    epsilon: PositiveFloat
    centring: Centring
    window: PositiveInt | None

    @property
    def family(self) -> str:
        """The literature it comes from."""
        return "interpretability"

    @property
    def signed(self) -> bool:
        """A score below the mean is less of an anchor, not its opposite."""
        return False

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Suppress]:
        """The divergences of all tokens, where one sentence can act on another."""
        return [self._want] if len(trace.sentences) > 1 else []

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Mean centred log of nats; NaN for the last sentence and those without tokens.

        The matrix is S before centring, row i what hiding j does to it. Diagnostics: log_kl (the
        mean before centring), targets (how many later sentences count).
        """
        if len(trace.sentences) < 2:
            return self._undefined(trace, "fewer than two sentences")
        kl = evidence.found(self._want).astype(np.float64)
        touched = self._touched(trace)
        if not np.isfinite(kl[touched]).all():
            return self._undefined(trace, "a divergence is not finite")
        logs = np.log(np.where(touched, kl, 0.0) + self.epsilon)
        s = sentence_means(trace, logs, touched)
        near = self._near(len(s))
        known = np.isfinite(s) & near
        diagnostics = {
            "log_kl": mean(np.where(near, s, np.nan), 0),
            "targets": known.sum(0).astype(float),
        }
        return SentenceScores(
            mean(np.where(near, centred(s, self.centring), np.nan), 0), diagnostics, s
        )

    @property
    def _want(self) -> Suppress:
        return Suppress(self.own_rows, self.temperature)

    def _touched(self, trace: Trace) -> Bool[np.ndarray, "tokens sentences"]:
        """Tokens after sentence j that its mask reaches.

        The first of them is predicted at the sentence's last token, where only `own_rows` masks.
        """
        return behind(trace, skip=int(not self.own_rows))

    def _near(self, n: int) -> Bool[np.ndarray, "targets sources"]:
        """The pairs that count: all, or those at most `window` sentences apart."""
        return lags(n) <= (n if self.window is None else self.window)

    def _undefined(self, trace: Trace, reason: str) -> SentenceScores:
        n = len(trace.sentences)
        nan = np.full(n, np.nan)
        return SentenceScores(nan, {"log_kl": nan, "targets": nan}, np.full((n, n), np.nan), reason)


def centred(s: Matrix, centring: Centring) -> Matrix:
    """S less the mean of each row, or less the mean of each distance i - j."""
    if centring == "row":
        return s - mean(s, 1)[:, None]
    if centring == "distance":
        means = np.concatenate([mean(np.diagonal(s, -lag)[None], 1) for lag in range(len(s))])
        return s - means[np.abs(lags(len(s)))]
    return s
