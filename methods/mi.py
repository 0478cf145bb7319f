"""`mi`: sentences whose hidden states share information with the state of the gold solution."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import kendalltau
from threadpoolctl import threadpool_limits

from harness import NO_ANSWER, Evidence, Problem, Read, ReadText, SentenceScores, Trace, pool

_TOLERANCE = 1e-12  # largest entry of a kernel that its Cholesky factor may miss
_RESOLUTION = 1e-7  # a spread below this is the rounding of float32 states: no spread at all
_BLOCK = 1 << 16  # coordinates factored at once: a few rows of their factors stay in cache


def nhsic(
    x: Float[np.ndarray, "tokens width"],
    y: Float[np.ndarray, "golds width"],
    sigma: float,
    epsilon: float,
) -> Float[np.ndarray, "tokens golds"]:
    """Normalised HSIC of every row of `x` with every row of `y`, their coordinates as samples.

    tr(R_x R_y), R = Kc (Kc + epsilon d I)^-1, Kc = K H, K_ij = exp(-(x_i - x_j)² / (2 sigma²)),
    H = I - 11ᵀ/d, at width d (MI-Peaks, arXiv 2506.02867). With K = Lᵀ L and A = (L H Lᵀ +
    epsilon d I)^-½ L H it is ‖A_x A_yᵀ‖²: H is idempotent, so centring one side and centring both
    give one trace, although R is symmetric only for the second. Hence: at least 0, symmetric in x
    and y, unmoved by adding a constant to a vector, by its sign, and by one permutation of both;
    with itself Σ (λ / (λ + epsilon d))², λ the eigenvalues of H K H; 0 for a constant vector.

    Chance level: over all permutations of one vector the mean is exactly tr R_x tr R_y / (d - 1),
    about 1 / d while the coordinates stay well inside sigma and larger with outliers. The error is
    below _TOLERANCE / epsilon a degree of freedom, tr R. A coordinate far outside sigma in both
    vectors adds about 1 whatever its values: massive activations shared by all states do so.
    Higher = more dependent, without a unit; NaN where a coordinate is not finite.
    """
    good_x, good_y = (np.all(np.isfinite(v), axis=1, keepdims=True) for v in (x, y))
    x, y = np.where(good_x, x, 0), np.where(good_y, y, 0)
    values = np.empty((len(x), len(y)))
    # Rows of like spread have like rank, so that few blocks pay for an outlier.
    order = np.argsort(np.ptp(x, axis=1), kind="stable")
    # The products are small: a second BLAS thread gains nothing, and waits where cores are shared.
    with threadpool_limits(limits=1, user_api="blas"):
        factors = [_factor(row[None], sigma, epsilon)[0] for row in y]
        golds, starts = np.concatenate(factors), np.cumsum([0, *map(len, factors[:-1])])
        for rows in _blocks(order, x.shape[1]):
            products = _factor(x[rows], sigma, epsilon) @ golds.T
            values[rows] = np.add.reduceat(np.square(products).sum(1), starts, axis=1)
    return np.where(good_x & good_y.T, values, np.nan)


def _blocks(order: Int[np.ndarray, " tokens"], width: int) -> list[Int[np.ndarray, " rows"]]:
    size = max(1, _BLOCK // width)
    return [order[i : i + size] for i in range(0, len(order), size)]


def _factor(
    x: Float[np.ndarray, "rows width"], sigma: float, epsilon: float
) -> Float[np.ndarray, "rows rank width"]:
    """A of `nhsic`, with Aᵀ A = H K (H K H + epsilon d I)^-1 H, one for each row of `x`."""
    factor = _cholesky(x, sigma)
    factor -= factor.mean(-1, keepdims=True)
    inner = factor @ factor.mT + epsilon * x.shape[1] * np.eye(factor.shape[1])
    return np.linalg.inv(np.linalg.cholesky(inner)) @ factor


def _cholesky(
    x: Float[np.ndarray, "rows width"], sigma: float
) -> Float[np.ndarray, "rows rank width"]:
    """L with |K - Lᵀ L| <= _TOLERANCE in every entry, by pivoting on the largest residual.

    The rows of a block go forward together; once done, a row takes steps below _TOLERANCE, which
    the clip keeps from blowing up its rounding.
    """
    scaled = x.astype(np.float64) / (np.sqrt(2) * sigma)
    every, rank, residual = np.arange(len(x)), 0, np.ones(x.shape)
    factor = np.empty((len(x), 8, x.shape[1]))
    while True:
        pivot = residual.argmax(1)
        height = residual[every, pivot]
        if height.max() <= _TOLERANCE:
            return factor[:, :rank]
        if rank == factor.shape[1]:
            factor = np.concatenate([factor, np.empty_like(factor)], axis=1)
        column = np.exp(-np.square(scaled - scaled[every, pivot][:, None]))
        done = factor[:, :rank]
        column -= (done[every, :, pivot][:, None] @ done)[:, 0]
        column *= height.clip(_TOLERANCE)[:, None] ** -0.5
        factor[:, rank] = column
        residual -= np.square(column)
        rank += 1


def squared_correlation(
    x: Float[np.ndarray, "tokens width"], y: Float[np.ndarray, "golds width"]
) -> Float[np.ndarray, "tokens golds"]:
    """Squared Pearson correlation of every row of `x` with every row of `y` over coordinates.

    Between 0 and 1, 1 / (width - 1) by chance; NaN where a vector is constant. `nhsic` comes near
    it where its kernel is linear: epsilon sigma² << variance << sigma² √epsilon.
    """
    return np.square(_standard(x) @ _standard(y).T)


def _standard(x: Float[np.ndarray, "rows width"]) -> Float[np.ndarray, "rows width"]:
    centred = x - x.mean(1, keepdims=True, dtype=np.float64)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    return centred / np.where(np.ptp(x, axis=1, keepdims=True) > 0, norm, np.nan)


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
        golds = np.stack([evidence.texts[text] for text in texts])
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
        peaks = sentences(np.where(np.isnan(excess), np.nan, excess > 0), np.sum)
        a2 = sentences(calibrated(m), np.fmax.reduce)
        score = _break_ties(a1[:, 0], peaks) if self.mode == "A1" else a2
        constants = {"references": m.shape[1] - 1, "tau_wrong_gold": _mean_tau(a1)}
        repeated = {name: np.full(len(a2), float(v)) for name, v in constants.items()}
        told = {"A1": a1[:, 0], "A2": a2, "peaks": peaks, **repeated}
        few = self.mode == "calibrated" and m.shape[1] == 1
        reason = f"too few reference problems (min_references={self.min_references})" if few else ""
        return SentenceScores(score, told, reason=reason)

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
