"""What a trace's evidence took, by what it was spent on."""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from harness.core import Condition, Want

Cause = Condition | Want[Any]  # a pass under a condition, or a want that is answered alone


@dataclass(frozen=True)
class Costs:
    """Passes and seconds that went into a trace's evidence, by what they were spent on."""

    passes: dict[Cause, int] = field(default_factory=dict)
    seconds: dict[Cause, float] = field(default_factory=dict)

    @contextmanager
    def spent(self, causes: Sequence[Cause], passes: int = 0) -> Generator[None]:
        """Count what the block takes, time in equal shares, and so many passes for each cause."""
        start = time.monotonic()
        yield
        share = (time.monotonic() - start) / max(1, len(causes))
        for cause in causes:
            self.passes[cause] = self.passes.get(cause, 0) + passes
            self.seconds[cause] = self.seconds.get(cause, 0.0) + share

    def of(self, causes: Sequence[Cause]) -> tuple[int, float]:
        """Passes and seconds spent on these causes together."""
        passes = sum(self.passes.get(cause, 0) for cause in causes)
        return passes, sum((self.seconds.get(cause, 0.0) for cause in causes), 0.0)
