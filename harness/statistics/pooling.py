"""From tokens to sentences."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from harness.core import Sentence


def pool(
    values: Float[np.ndarray, " tokens"],
    sentences: Sequence[Sentence],
    reduce: Callable[[np.ndarray], float],
) -> Float[np.ndarray, " sentences"]:
    """`reduce` over the tokens of each sentence; NaN for a sentence without tokens."""
    spans = [values[s.start : s.stop] for s in sentences]
    return np.array([reduce(span) if len(span) else np.nan for span in spans], dtype=np.float64)
