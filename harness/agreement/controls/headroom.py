"""How much of the answer is left to decide."""

import numpy as np
from jaxtyping import Int

from harness.agreement.controls.covariate import NEVER, Column, Covariate
from harness.agreement.ranks import ranked

STEPS = (2, 2, NEVER, NEVER)  # the first two with the cubic of position


def headroom(values: Column, trace: Int[np.ndarray, " sentences"]) -> Covariate:
    """Whether there is any, how much, and its rank over n with the square, which are pooled.

    Importances step to 0 with the headroom: the amount alone leaves .4 of two unrelated scores.
    Where it fades, ranks follow its rank (without these, .2 of two unrelated ones are rejected).
    """
    known = np.isfinite(values)
    left = np.where(known, values > 0, np.nan)
    n = np.bincount(trace[known], minlength=int(trace.max(initial=-1)) + 1)
    rank = ranked(values, trace, known)[0] / np.maximum(n, 1)[trace] - 0.5
    return Covariate(np.stack([left, values, rank, rank**2]), STEPS)
