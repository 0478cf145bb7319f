"""Problems, and what a model wrote for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

Role = Literal["evaluate", "reference"]

NO_ANSWER = "<none>"


@dataclass(frozen=True)
class Problem:
    """One question with its gold answer; `solution` is the worked gold text, where there is one."""

    id: str
    question: str
    answer: str
    solution: str | None
    source: str
    role: Role


@runtime_checkable
class ProblemSet(Protocol):
    """A source of problems: one frozen dataclass a source, its fields in conf/problems."""

    @property
    def name(self) -> str:
        """What runs over these problems are called after."""
        ...

    @property
    def instruction(self) -> str:
        """What is asked of the model after each question."""
        ...

    @property
    def pattern(self) -> str:
        """A regular expression whose group 1 is an answer that is not boxed; empty = none."""
        ...

    def load(self) -> list[Problem]:
        """All problems to evaluate, then the reference problems."""
        ...

    def correct(self, problem: Problem, answer: str) -> bool:
        """Whether a canonical answer is right."""
        ...


@dataclass(frozen=True)
class Written:
    """What somebody wrote for a problem: reasoning and all, the answer if it is known, and who."""

    text: str
    answer: str | None
    by: str


@runtime_checkable
class GivesTraces(Protocol):
    """The part of a source that has traces of its problems, so that none are sampled."""

    @property
    def open_tag(self) -> str:
        """What stands before the reasoning of its texts."""
        ...

    @property
    def close_tag(self) -> str:
        """What stands behind the reasoning of its texts."""
        ...

    def written(self, problem: Problem) -> Sequence[Written]:
        """What was written for a problem, in the order of its traces; empty for an unknown one."""
        ...


@dataclass(frozen=True)
class Sentence:
    """A sentence of a trace over its tokens [start, stop)."""

    text: str
    start: int
    stop: int
    category: str | None


@dataclass(frozen=True)
class Trace:
    """What a model wrote for a problem; the sentences tile the reasoning span of `token_ids`.

    `starts` is the character of `text` at which each token begins; empty where nobody looked.
    `model` is who reads it, `origin` who wrote it: "sampled" = the model, with this seed.
    """

    id: str
    problem: Problem
    model: str
    revision: str
    seed: int | None
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    text: str
    sentences: tuple[Sentence, ...]
    answer: str
    correct: bool
    origin: str
    finish_reason: str
    starts: tuple[int, ...] = ()

    @property
    def reasoning(self) -> slice:
        """The tokens that the sentences tile; all of them where there are no sentences."""
        if not self.sentences:
            return slice(0, len(self.token_ids))
        return slice(self.sentences[0].start, self.sentences[-1].stop)

    def stated(self, which: Literal["gold", "own"]) -> str:
        """The problem's answer or the trace's own, stripped; empty where there is none."""
        found = self.problem.answer if which == "gold" else self.answer
        return "" if found == NO_ANSWER else found.strip()
