"""Entropies of what was counted."""

import numpy as np
from jaxtyping import Int


def miller_madow(counts: Int[np.ndarray, " kinds"]) -> float:
    """Shannon entropy in nats of counts, corrected for their number; NaN without any.

    Counts of 0 are no kinds. Source: Miller, Note on the bias of information estimates (1955).
    """
    counts = counts[counts > 0]
    n = counts.sum()
    if not n:
        return np.nan
    p = counts / n
    return float(-(p * np.log(p)).sum() + (len(counts) - 1) / (2 * n))
