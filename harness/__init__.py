"""Do the methods that claim to find the sentences that matter find the same sentences?"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.pooling import pool
    from harness.types import (
        NO_ANSWER,
        Attend,
        Compare,
        Detector,
        Draw,
        Embed,
        Evidence,
        Problem,
        Read,
        Reading,
        ReadRollouts,
        ReadText,
        Rollouts,
        Sentence,
        SentenceScores,
        Suppress,
        Trace,
        UserError,
    )

__all__ = [
    "NO_ANSWER",
    "Attend",
    "Compare",
    "Detector",
    "Draw",
    "Embed",
    "Evidence",
    "Problem",
    "Read",
    "ReadRollouts",
    "ReadText",
    "Reading",
    "Rollouts",
    "Sentence",
    "SentenceScores",
    "Suppress",
    "Trace",
    "UserError",
    "pool",
]


def __getattr__(name: str) -> Any:
    """The nouns when they are first asked for: the command starts, and stops, without numpy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module("harness.pooling" if name == "pool" else "harness.types"), name)
