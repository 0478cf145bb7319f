"""Where in its trace a sentence stands."""

import numpy as np
from jaxtyping import Int
from numpy.polynomial import legendre

from harness.agreement.controls.covariate import ALWAYS, Column, Covariate

DEGREE = 5
# Line and parabola in every trace; then its ends; then the cubic; then the quintic. Pooled slopes
# alone let traces whose trends differ agree on them (.90 rejected at 8 sentences, .81 to .95 with
# the line fitted alone).
STEPS = (ALWAYS, ALWAYS, 1, 1, 2, 3, 3)


def position(place: Column, trace: Int[np.ndarray, " sentences"]) -> Covariate:
    """Legendre polynomials of i/n, and whether a sentence is the first or the last of its trace."""
    curve = legendre.legvander(2 * place - 1, DEGREE)[:, 1:].T
    change = np.diff(trace) != 0
    first, last = np.r_[True, change], np.r_[change, True]
    return Covariate(np.stack([*curve[:2], first, last, *curve[2:]]), STEPS)
