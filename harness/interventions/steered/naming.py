"""The sentences at which something is done: those of some kinds, or those a detector names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from harness.core import Trace
from harness.core.seeds import derive


@dataclass(frozen=True)
class Named:
    """Sentences of the `categories`, or the `top` highest scores of `method` where one is given.

    At most `most` of a trace, in equal steps.
    """

    categories: tuple[str, ...]
    method: str | None
    top: Annotated[int, Field(ge=1)]
    most: Annotated[int, Field(ge=1)]

    def of(self, trace: Trace, scores: Mapping[str, np.ndarray]) -> list[int]:
        """Their numbers, ascending; none where the method has no score of the trace."""
        if self.method is None:
            found = [i for i, s in enumerate(trace.sentences) if s.category in self.categories]
        else:
            found = sorted(top(scores.get(self.method, np.empty(0)), self.top))
        return spread(found, self.most)


def elsewhere(trace: Trace, places: Sequence[int], seed: int) -> list[int]:
    """As many other sentences of a trace, at random, where there are so many."""
    rest = [i for i in range(len(trace.sentences)) if i not in places]
    order = np.random.default_rng(derive("elsewhere", seed, trace.id)).permutation(rest)
    return sorted(int(i) for i in order[: len(places)])


def top(scores: np.ndarray, n: int) -> list[int]:
    """The n highest of the defined scores, the earlier of two that are alike first."""
    order = np.argsort(-scores, kind="stable")
    return [int(i) for i in order if np.isfinite(scores[i])][:n]


def spread(found: Sequence[int], most: int) -> list[int]:
    """So many of them at most, from the first to the last in equal steps."""
    if len(found) <= most:
        return [*found]
    return [found[int(i)] for i in np.linspace(0, len(found) - 1, most).round()]
