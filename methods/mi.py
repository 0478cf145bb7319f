"""`mi`: sentences whose hidden states share information with the state of the gold solution."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.stats import kendalltau

from harness import NO_ANSWER, Evidence, Problem, Read, ReadText, SentenceScores, Trace, pool
from harness.statistics.hsic import nhsic, squared_correlation

_RESOLUTION = 1e-7  # a spread below this is the rounding of float32 states: no spread at all


@dataclass(frozen=True)
class MI:
    """Information peaks: tokens whose state depends most on the state of the gold text.

    m_t(y) = `nhsic` (or `squared_correlation`) of the state that predicts token t of the reasoning
    and the state of the gold text's last token. A1 = max over a sentence of (m_t - median) / IQR,
    both over the trace (MI-Peaks, arXiv 2506.02867). A2 = max over a sentence of
    (m_t(y) - mean_k m_t(y_k)) / sd_k m_t(y_k), the y_k gold texts of other problems, sd with K - 1.

    mode        the score: A1, or A2 = calibrated; both in units of a spread, higher = more of an
                anchor. Equal A1 are ordered by `peaks`.
    gold        y: the worked solution, the gold answer, or the answer the model gave itself. The
                y_k are of the same kind, solutions for solutions and answers for answers.
    sigma, epsilon    bandwidth and ridge of `nhsic`
    layer       the block whose output is read, -1 = last
    references  at most so many distinct y_k; below `min_references` A2 and tau are NaN
    iqr         a peak is a token with m_t > Q3 + iqr IQR

    Kept by token: m_t(y), and whether it is a peak.
    Diagnostics: A1, A2, peaks (tokens), references (K used) and tau_wrong_gold: the mean over k of
    Kendall's tau-b between A1 with y and A1 with y_k, over the sentences of the trace. Near 1, A1
    says nothing about the answer. Without a gold text everything is NaN.
    """

    mode: Literal["A1", "calibrated"]
    gold: Literal["solution", "answer", "own_answer"]
    estimator: Literal["nhsic", "linear"]
    sigma: float
    epsilon: float
    layer: int
    references: int
    min_references: int
    iqr: float

    @property
    def family(self) -> str:
        """Information theory."""
        return "information"

    @property
    def signed(self) -> bool:
        """A low score is less of an anchor, not its opposite."""
        return False

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Read | ReadText]:
        """The trace's states and those of the gold texts; nothing where there is no gold."""
        texts = self._texts(trace, have)
        return [Read(states=(self.layer,)), *texts] if texts else []

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """A1 or A2 of each sentence, without a unit."""
        texts = self._texts(trace, evidence)
        if not (texts and trace.sentences):
            nan = np.full(len(trace.sentences), np.nan)
            names = ("A1", "A2", "peaks", "references", "tau_wrong_gold")
            reason = f"no gold text (gold={self.gold})"
            return SentenceScores(nan, dict.fromkeys(names, nan), reason=reason)
        states = evidence.reading.states[self.layer]
        golds = np.stack([evidence.found(text) for text in texts])
        # Only the reasoning is ranked: what the model says after it must not move the quartiles.
        reasoning = slice(trace.sentences[0].start, trace.sentences[-1].stop)
        m = np.full((len(states), len(golds)), np.nan)
        m[reasoning] = self._dependence(states[reasoning], golds)
        return self._scores(trace, m, reasoning)

    def _scores(
        self, trace: Trace, m: Float[np.ndarray, "tokens golds"], reasoning: slice
    ) -> SentenceScores:
        def sentences(
            values: Float[np.ndarray, " tokens"], reduce: Callable[[np.ndarray], float]
        ) -> Float[np.ndarray, " sentences"]:
            return pool(values, trace.sentences, reduce)

        low, median, high = np.quantile(m[reasoning], (0.25, 0.5, 0.75), axis=0)
        spread = _defined(high - low)
        highest = np.stack([sentences(column, np.max) for column in m.T], axis=1)
        a1 = (highest - median) / spread
        excess = m[:, 0] - high[0] - self.iqr * spread[0]
        peak = np.where(np.isnan(excess), np.nan, excess > 0)
        peaks = sentences(peak, np.sum)
        a2 = sentences(calibrated(m), np.fmax.reduce)
        score = _break_ties(a1[:, 0], peaks) if self.mode == "A1" else a2
        constants = {"references": m.shape[1] - 1, "tau_wrong_gold": _mean_tau(a1)}
        repeated = {name: np.full(len(a2), float(v)) for name, v in constants.items()}
        diagnostics = {"A1": a1[:, 0], "A2": a2, "peaks": peaks, **repeated}
        few = self.mode == "calibrated" and m.shape[1] == 1
        reason = f"too few reference problems (min_references={self.min_references})" if few else ""
        tokens = {"value": m[:, 0], "peak": peak}
        return SentenceScores(score, diagnostics, reason=reason, tokens=tokens)

    def _dependence(
        self, x: Float[np.ndarray, "tokens width"], y: Float[np.ndarray, "golds width"]
    ) -> Float[np.ndarray, "tokens golds"]:
        if self.estimator == "linear":
            return squared_correlation(x, y)
        return nhsic(x, y, self.sigma, self.epsilon)

    def _texts(self, trace: Trace, have: Evidence) -> list[ReadText]:
        """The gold text, then the wrong ones; no wrong ones if too few, nothing without gold."""
        own = trace.answer if trace.answer != NO_ANSWER else None
        gold = own if self.gold == "own_answer" else self._text(trace.problem)
        if not gold:
            return []
        others = [self._text(p) for p in have.references if p.id != trace.problem.id]
        wrong = [text for text in dict.fromkeys(others) if text and text != gold]
        enough = len(wrong) >= self.min_references
        kept = wrong[: self.references] if enough else []
        return [ReadText(text, self.layer) for text in (gold, *kept)]

    def _text(self, problem: Problem) -> str | None:
        return problem.solution if self.gold == "solution" else problem.answer


def calibrated(m: Float[np.ndarray, "tokens golds"]) -> Float[np.ndarray, " tokens"]:
    """How many standard deviations the right gold, column 0, lies above the wrong ones.

    NaN where fewer than two wrong golds or no spread among them.
    """
    right, wrong = m[:, 0], m[:, 1:]
    if wrong.shape[1] < 2:
        return np.full(len(m), np.nan)
    return (right - wrong.mean(1)) / _defined(wrong.std(1, ddof=1))


def _defined(spread: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.where(spread > _RESOLUTION, spread, np.nan)


def _break_ties(
    score: Float[np.ndarray, " sentences"], peaks: Float[np.ndarray, " sentences"]
) -> Float[np.ndarray, " sentences"]:
    """`score`, equal values set apart by `peaks` by less than half the smallest gap, or 1e-9."""
    gaps = np.diff(np.unique(score[np.isfinite(score)]))
    step = min(1e-9, gaps.min() / 2) if len(gaps) else 1e-9
    return score + step * peaks / (np.fmax.reduce(peaks, initial=0) + 1)


def _mean_tau(a1: Float[np.ndarray, "sentences golds"]) -> float:
    if len(a1) < 2:
        return np.nan
    taus = np.array([kendalltau(a1[:, 0], wrong)[0] for wrong in a1.T[1:]])
    known = taus[np.isfinite(taus)]
    return float(known.mean()) if len(known) else np.nan
