"""How a sentence is worded."""

from collections.abc import Sequence

import numpy as np

from harness.agreement.controls.covariate import Column, Covariate

STEP = 4  # what a trace affords beside position and headroom


def wording(opening: Column, scores: Sequence[Column]) -> Covariate:
    """Whether it opens with one of the words, and the scores of methods that read it alone."""
    columns = np.stack([opening, *scores])
    return Covariate(columns, (STEP,) * len(columns))
