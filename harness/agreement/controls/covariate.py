"""The regressors that one covariate stands for."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

ALWAYS, NEVER = 0, 99  # first and last step of the ladder
Column = Float[np.ndarray, " sentences"]


@dataclass(frozen=True, eq=False)
class Covariate:
    """Columns, NaN where undefined, and the step of the ladder at which a trace affords each.

    Those of step `ALWAYS` are fitted in every trace, those of step `NEVER` in none: their slopes
    are pooled over traces.
    """

    columns: Float[np.ndarray, "columns sentences"]
    steps: tuple[int, ...]

    @property
    def known(self) -> Bool[np.ndarray, " sentences"]:
        """Where all columns are defined."""
        return np.logical_and.reduce(np.isfinite(self.columns))
