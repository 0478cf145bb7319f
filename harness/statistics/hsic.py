"""How much two hidden states have in common, their coordinates taken as samples."""

import numpy as np
from jaxtyping import Float, Int
from threadpoolctl import threadpool_limits

_TOLERANCE = 1e-12  # largest entry of a kernel that its Cholesky factor may miss
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
