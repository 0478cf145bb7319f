"""The nouns of the harness: what flows from stage to stage, as frozen dataclasses."""

from harness.core.detector import Detector, Fittable, HasFacts, SentenceScores, Wants
from harness.core.errors import UserError
from harness.core.evidence import Evidence, Reading, Rollouts
from harness.core.trace import NO_ANSWER, Problem, ProblemSet, Role, Sentence, Trace
from harness.core.want import (
    Attend,
    Compare,
    Cut,
    Draw,
    Embed,
    Read,
    ReadRollouts,
    ReadText,
    Sentences,
    Summary,
    Suppress,
    Until,
    Want,
)

__all__ = [
    "NO_ANSWER",
    "Attend",
    "Compare",
    "Cut",
    "Detector",
    "Draw",
    "Embed",
    "Evidence",
    "Fittable",
    "HasFacts",
    "Problem",
    "ProblemSet",
    "Read",
    "ReadRollouts",
    "ReadText",
    "Reading",
    "Role",
    "Rollouts",
    "Sentence",
    "SentenceScores",
    "Sentences",
    "Summary",
    "Suppress",
    "Trace",
    "Until",
    "UserError",
    "Want",
    "Wants",
]
