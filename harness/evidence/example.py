"""A sample trace: what a detector wants of it is known before any trace is there."""

from dataclasses import replace
from typing import Any

import numpy as np

from harness.core import (
    Detector,
    Draw,
    Evidence,
    Problem,
    Read,
    Reading,
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
    """What a detector wants of the sample, rollouts and readings being there when asked again."""
    if not isinstance(detector, Wants):
        return []
    found: dict[Want[Any], None] = {}
    none = Rollouts(np.zeros(0, np.int64), (), np.zeros(0, bool), ())
    while True:
        new = [want for want in detector.wants(TRACE, have) if want not in found]
        found |= dict.fromkeys(new)
        drawn = {(w.arm, w.boundary): none for w in new if isinstance(w, Draw)}
        read = {w.condition: _reading(w) for w in new if isinstance(w, Read) and w.top_entropy}
        if not (drawn or read):
            return list(found)
        have = replace(
            have, rollouts={**have.rollouts, **drawn}, readings={**have.readings, **read}
        )


def _reading(want: Read) -> Reading:
    """Entropies by which a detector may choose tokens."""
    rising = np.linspace(0, 3, len(TRACE.token_ids), dtype=np.float32)
    return Reading(top_entropy={want.top_entropy: rising})
