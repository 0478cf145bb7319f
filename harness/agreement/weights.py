"""How much each problem counts in the mean over problems."""

import numpy as np
from jaxtyping import Float, Int

from harness.agreement.settings import Agreement

PerProblem = Float[np.ndarray, " problems"]


def weights(
    values: PerProblem,
    n_sentences: Int[np.ndarray, " problems"],
    n_traces: Int[np.ndarray, " problems"],
    conf: Agreement,
) -> PerProblem:
    """All alike, or by the information a problem holds; 1 on average over those with a value.

    Random effects (DerSimonian and Laird 1986): one over what problems differ by beside chance plus
    the variance of a problem's own value, which is that of rank correlations, one over sentences
    minus traces. This weighs long traces more, so that it is another quantity which is estimated.
    """
    even = np.ones(len(values))
    known = np.isfinite(values) & (n_sentences > n_traces)
    if conf.weights == "equal" or known.sum() < 2:
        return even
    precision = (n_sentences - n_traces)[known].astype(np.float64)
    between = _between(values[known], precision)
    found = 1 / (between + 1 / precision)
    even[known] = found / found.mean()
    return even


def _between(values: PerProblem, precision: PerProblem) -> float:
    """Variance of the problems' true values around their mean."""
    mean = (precision * values).sum() / precision.sum()
    spread = (precision * (values - mean) ** 2).sum() - (len(values) - 1)
    scale = precision.sum() - (precision**2).sum() / precision.sum()
    return max(0.0, float(spread / scale))
