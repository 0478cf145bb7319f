"""Detectors that fail: the others of their job go on."""

import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from harness.core import Detector, UserError
from harness.core.errors import in_words
from harness.store.status import fail

R = TypeVar("R")
Detectors = Mapping[str, Detector]


@dataclass(frozen=True)
class Faults:
    """The detectors of a job in `run` that have failed, with why."""

    run: Path
    failed: dict[str, str] = field(default_factory=dict)

    def left(self, detectors: Detectors) -> Detectors:
        """Those that have not failed."""
        return {name: d for name, d in detectors.items() if name not in self.failed}

    def spared(self, detectors: Detectors, ask: Callable[[Detectors], R]) -> R:
        """What `ask` makes of the detectors that do not make it raise; the others have failed.

        Each is asked alone to find out which they are. Raises what it raised if that tells none,
        or if it raises without detectors.
        """
        try:
            return ask(detectors)
        except Exception as error:
            for name, detector in detectors.items():
                if len(detectors) == 1:
                    self.fail(name, error)
                else:
                    self.spared({name: detector}, ask)
            left = self.left(detectors)
            if len(left) == len(detectors):
                raise
        return self.spared(left, ask)

    def fail(self, name: str, error: Exception) -> None:
        """Say in a detector's status and on stderr that it failed; its scores are not shown."""
        by_user, told = isinstance(error, UserError), in_words(error)
        self.failed[name] = told
        if not by_user:
            traceback.print_exception(error)
        print(f"error: {name}: {told}; the other methods go on", file=sys.stderr)
        fail(self.run, name, told, by_user=by_user)
