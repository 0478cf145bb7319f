"""Do the methods that claim to find the sentences that matter find the same sentences?"""

from harness.loading import Run, load
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
    "Run",
    "Sentence",
    "SentenceScores",
    "Suppress",
    "Trace",
    "UserError",
    "load",
    "pool",
]
