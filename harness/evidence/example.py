"""A sample trace: what a detector wants of it is known before any trace is there."""

from dataclasses import replace
from typing import Any

import numpy as np

from harness.core import (
    Detector,
    Draw,
    Evidence,
    Problem,
    Rollouts,
    Sentence,
    Trace,
    Want,
    Wants,
)

_PROBLEM = Problem("sample/0", "What is 1 + 1?", "2", "One and one is 2.", "sample", "evaluate")
REFERENCES = tuple(
    replace(_PROBLEM, id=f"sample/{i}", answer=str(i), solution=f"It is {i}.", role="reference")
    for i in range(3, 23)
)
_SAID = "That is 3 apples. "  # a number, for what makes mistakes of it
TRACE = Trace(
    id="sample/0#0",
    problem=_PROBLEM,
    model="sample",
    revision="",
    seed=0,
    prompt_ids=(1, 2, 3),
    token_ids=tuple(range(4, 28)),
    text=_SAID * 4,
    sentences=tuple(Sentence(_SAID, 6 * i, 6 * i + 6, None) for i in range(4)),
    answer="2",
    correct=True,
    origin="sampled",
    finish_reason="stop",
    starts=tuple(range(0, 72, 3)),
)


def wanted(detector: Detector, have: Evidence) -> list[Want[Any]]:
    """What a detector wants of the sample, rollouts being there the second time it is asked."""
    if not isinstance(detector, Wants):
        return []
    first = detector.wants(TRACE, have)
    none = Rollouts(np.zeros(0, np.int64), (), np.zeros(0, bool), ())
    drawn = {(w.arm, w.boundary): none for w in first if isinstance(w, Draw)}
    more = detector.wants(TRACE, replace(have, rollouts=drawn)) if drawn else []
    return list(dict.fromkeys([*first, *more]))
