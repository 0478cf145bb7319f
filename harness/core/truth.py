"""What is known of a trace whose problem set knows which sentences matter."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from harness.core import Problem, Trace


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of a trace: by sentence its kind and exact importances, and what rests on what.

    `planted` marks the sentences that decide. `exact` holds importances by name, among them "tv":
    the total variation between the answer distributions before and after the sentence. An edge
    (i, j, kind) says that sentence j rests on sentence i.
    """

    kinds: tuple[str, ...]
    planted: Bool[np.ndarray, " sentences"]
    exact: Mapping[str, Float[np.ndarray, " sentences"]]
    edges: tuple[tuple[int, int, str], ...]


@runtime_checkable
class Planted(Protocol):
    """The part of a problem set that knows which sentences matter."""

    def truth(
        self,
        trace: Trace,
        weights: Path,
        temperature: float,
        top_p: float,
        behind: Problem | None = None,
    ) -> Truth | str:
        """The truth about a trace written with these weights, or why there is none.

        `behind`: the truth if the same trace stood behind another problem.
        """
        ...


NAME = "truth"  # of the method that the exact importances stand for in every comparison
