"""The nouns of the harness: what flows from stage to stage, as frozen dataclasses."""

from harness.core.condition import PLAIN, Condition, Edit, Forbid, Mask, Recycle, Steer
from harness.core.detector import Detector, Fittable, HasFacts, SentenceScores, Wants
from harness.core.errors import UserError
from harness.core.evidence import Derived, Donor, Evidence
from harness.core.results import Comparison, Cut, Reading, RolloutReading, Rollouts
from harness.core.trace import NO_ANSWER, Problem, ProblemSet, Role, Sentence, Trace
from harness.core.want import (
    Attend,
    Compare,
    Draw,
    Embed,
    Likelihood,
    Read,
    ReadRollouts,
    ReadText,
    RolloutText,
    Sentences,
    Summary,
    Suppress,
    Until,
    Want,
)

__all__ = [
    "NO_ANSWER",
    "PLAIN",
    "Attend",
    "Compare",
    "Comparison",
    "Condition",
    "Cut",
    "Derived",
    "Detector",
    "Donor",
    "Draw",
    "Edit",
    "Embed",
    "Evidence",
    "Fittable",
    "Forbid",
    "HasFacts",
    "Likelihood",
    "Mask",
    "Problem",
    "ProblemSet",
    "Read",
    "ReadRollouts",
    "ReadText",
    "Reading",
    "Recycle",
    "Role",
    "RolloutReading",
    "RolloutText",
    "Rollouts",
    "Sentence",
    "SentenceScores",
    "Sentences",
    "Steer",
    "Summary",
    "Suppress",
    "Trace",
    "Until",
    "UserError",
    "Want",
    "Wants",
]
