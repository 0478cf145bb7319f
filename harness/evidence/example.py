"""A sample trace, and what is wanted of a trace as if what was asked for first were there.

So what a detector wants is known before there is any trace, and before anything is drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.core import (
    Depart,
    Departure,
    Departures,
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

NONE = Rollouts(np.zeros(0, np.int64), (), np.zeros(0, bool), ())
NO_TOKEN = -1

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
    """What a detector wants of the sample."""
    if not isinstance(detector, Wants):
        return []
    return foreseen(lambda there: detector.wants(TRACE, there), TRACE, have)


def foreseen(
    ask: Callable[[Evidence], Sequence[Want[Any]]], trace: Trace, have: Evidence
) -> list[Want[Any]]:
    """What is asked for, each once, by who is asked again as if that were there."""
    found: dict[Want[Any], None] = {}
    while new := [want for want in ask(have) if want not in found]:
        found |= dict.fromkeys(new)
        drawn = {(w.arm, w.boundary): NONE for w in new if isinstance(w, Draw)}
        left = {w: assumed(w, trace) for w in new if isinstance(w, Depart)}
        hard = [w for w in new if isinstance(w, Read) and w.top_entropy]
        have = replace(
            have,
            rollouts={**drawn, **have.rollouts},
            answers={**left, **have.answers},
            readings={**have.readings, **{w.condition: _reading(w, trace) for w in hard}},
        )
    return list(found)


def assumed(want: Depart, trace: Trace) -> Departures:
    """Rollouts that leave every sentence at once, half of those that there would be."""
    way = Departure(0, NO_TOKEN)
    ways = [(way,) * want.n if s.stop > s.start else () for s in trace.sentences]
    return Departures(np.full(len(ways), np.log(0.5)), (*ways, ()))


def _reading(want: Read, trace: Trace) -> Reading:
    """Entropies by which a detector may choose tokens."""
    rising = np.linspace(0, 3, len(trace.token_ids), dtype=np.float32)
    return Reading(top_entropy={want.top_entropy: rising})
