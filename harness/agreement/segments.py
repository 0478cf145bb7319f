"""Sums, means and ranks within traces, over values that lie flat, trace after trace."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

# A centred value this small beside what it was centred from is rounding, not signal.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Segments:
    """Consecutive stretches of a flat array, none empty: the sentences of each trace."""

    start: Int[np.ndarray, " traces"]
    size: Int[np.ndarray, " traces"]

    @classmethod
    def of(cls, trace: Int[np.ndarray, " sentences"]) -> "Segments":
        """The stretches of equal `trace`."""
        start = np.flatnonzero(np.diff(trace, prepend=-1))
        return cls(start, np.diff(start, append=len(trace)))

    def sum(self, values: Float[np.ndarray, "sentences *columns"]) -> np.ndarray:
        """One sum a trace, over the first axis."""
        return np.add.reduceat(values, self.start) if len(self.start) else values[:0]

    def spread(self, per_trace: np.ndarray) -> np.ndarray:
        """Each trace's value, once a sentence."""
        return np.repeat(per_trace, self.size, axis=0)

    def centre(self, values: Float[np.ndarray, "sentences *columns"]) -> np.ndarray:
        """Values minus their trace's mean; exactly 0 where the trace is constant."""
        size = self.size.reshape(-1, *[1] * (values.ndim - 1))
        centred = values - self.spread(self.sum(values) / size)
        return np.where(np.abs(centred) <= ROUNDING * np.abs(values), 0.0, centred)

    def ranks(self, values: Float[np.ndarray, " sentences"]) -> Float[np.ndarray, " sentences"]:
        """Ranks 1..n within each trace, low to high, ties sharing their mean rank."""
        index = self.spread(np.arange(len(self.size)))
        order = np.lexsort((values, index))
        fresh = (np.diff(values[order], prepend=np.nan) != 0) | (np.diff(index, prepend=-1) != 0)
        first = np.flatnonzero(fresh)
        width = np.diff(first, append=len(values))
        ranks = np.empty(len(values))
        ranks[order] = np.repeat(first + (width + 1) / 2, width)
        return ranks - self.spread(self.start)

    def centred_ranks(
        self, values: Float[np.ndarray, " sentences"]
    ) -> Float[np.ndarray, " sentences"]:
        """Ranks over n minus their mean: on one scale whatever the length of the trace."""
        return self.centre(self.ranks(values)) / self.spread(self.size)
