"""What a detector gives, and what it is: parts of it that the harness looks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from harness.core.evidence import Evidence
from harness.core.trace import Trace
from harness.core.want import Want


@dataclass(frozen=True, eq=False)
class SentenceScores:
    """One number a sentence, higher = more of an anchor, NaN = undefined; diagnostics alike.

    `reason` says why all of a trace's scores are undefined; the status file counts it. The matrix
    is sentence × sentence, row i what sentence j (column) does to it. `tokens` has what the scores
    were made of, a number a token: `value`, and `peak` (1 or 0) where a detector looks for peaks.
    """

    score: Float[np.ndarray, " sentences"]
    diagnostics: Mapping[str, Float[np.ndarray, " sentences"]] = field(default_factory=dict)
    matrix: Float[np.ndarray, "sentences sentences"] | None = None
    reason: str = ""
    tokens: Mapping[str, Float[np.ndarray, " tokens"]] = field(default_factory=dict)


@runtime_checkable
class Detector(Protocol):
    """A method that scores sentences: a frozen dataclass whose fields are its yaml's keys.

    A detector that wants evidence also has `wants(trace, have) -> Sequence[Want]`, asked again with
    what was gathered until all it wants is there.
    """

    @property
    def family(self) -> str:
        """The literature it comes from: interpretability, information, rl, baseline, …"""
        ...

    @property
    def signed(self) -> bool:
        """Whether negative scores mean the opposite of an anchor rather than less of one."""
        ...

    def score(self, trace: Trace, evidence: Evidence) -> SentenceScores:
        """Scores of the trace's sentences, a pure function of the evidence."""
        ...


@runtime_checkable
class Wants(Protocol):
    """The part of a detector that names the evidence it needs."""

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want[Any]]:
        """All the evidence the score rests on, as far as `have` lets it be known."""
        ...


@runtime_checkable
class Adaptive(Protocol):
    """The part of a detector whose draws may hang on what was drawn before."""

    @property
    def adaptive(self) -> bool:
        """Whether they do: then what a plan says of them is the least that they may take."""
        ...


@runtime_checkable
class Worded(Protocol):
    """The part of a detector whose scores may be made of how sentences are worded."""

    @property
    def worded(self) -> bool:
        """Whether they are: then nothing is said of them where the wording is taken out."""
        ...


@runtime_checkable
class Biased(Protocol):
    """The part of a detector that may assume more than its draws say."""

    @property
    def biased(self) -> bool:
        """Whether it does: then halves of its draws agree by that, and say nothing of its noise."""
        ...


@runtime_checkable
class Fittable(Protocol):
    """The part of a detector that learns across traces."""

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> Detector:
        """A fitted copy, to score traces of other problems; `evidence` is what it wants of each."""
        ...


@runtime_checkable
class HasFacts(Protocol):
    """The part of a fitted detector that says what it learnt."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it learnt, as JSON would hold it; the status file has it fold by fold."""
        ...
