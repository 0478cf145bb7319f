"""How long a sentence is."""

import numpy as np

from harness.agreement.controls.covariate import NEVER, Column, Covariate

DEGREE = 3  # steps, such as terciles, take the truth away where planted sentences are of one length


def length(tokens: Column) -> Covariate:
    """Log tokens with square and cube, standardised; undefined without tokens. Pooled."""
    log = np.log(np.where(tokens > 0, tokens, np.nan))
    known = log[np.isfinite(log)]
    if not len(known):
        return Covariate(np.full((DEGREE, len(log)), np.nan), (NEVER,) * DEGREE)
    unit = (log - known.mean()) / (known.std() or 1.0)
    return Covariate(np.stack([unit**k for k in range(1, DEGREE + 1)]), (NEVER,) * DEGREE)
