"""Do the methods that claim to find the sentences that matter find the same sentences?"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.core import (
        NO_ANSWER,
        PLAIN,
        Attend,
        Compare,
        Comparison,
        Condition,
        Cut,
        Depart,
        Departure,
        Departures,
        Detector,
        Donor,
        Draw,
        Edit,
        Embed,
        Evidence,
        Forbid,
        Likelihood,
        Mask,
        Problem,
        Read,
        Reading,
        ReadRollouts,
        ReadText,
        Recycle,
        RolloutReading,
        Rollouts,
        RolloutText,
        Route,
        Sentence,
        Sentences,
        SentenceScores,
        Steer,
        Suppress,
        Trace,
        UserError,
        Want,
    )
    from harness.statistics.pooling import pool
    from harness.store.load import Run, load

__all__ = [
    "NO_ANSWER",
    "PLAIN",
    "Attend",
    "Compare",
    "Comparison",
    "Condition",
    "Cut",
    "Depart",
    "Departure",
    "Departures",
    "Detector",
    "Donor",
    "Draw",
    "Edit",
    "Embed",
    "Evidence",
    "Forbid",
    "Likelihood",
    "Mask",
    "Problem",
    "Read",
    "ReadRollouts",
    "ReadText",
    "Reading",
    "Recycle",
    "RolloutReading",
    "RolloutText",
    "Rollouts",
    "Route",
    "Run",
    "Sentence",
    "SentenceScores",
    "Sentences",
    "Steer",
    "Suppress",
    "Trace",
    "UserError",
    "Want",
    "load",
    "pool",
]


HOMES = {
    "Run": "harness.store.load",
    "load": "harness.store.load",
    "pool": "harness.statistics.pooling",
}


def __getattr__(name: str) -> Any:
    """The nouns when they are first asked for: the command starts, and stops, without numpy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(HOMES.get(name, "harness.core")), name)
