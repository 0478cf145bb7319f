"""Do the methods that claim to find the sentences that matter find the same sentences?"""

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
