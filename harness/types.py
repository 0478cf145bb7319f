"""The nouns of the harness: what flows from stage to stage, as frozen dataclasses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

Until = Literal["end", "answer", "sentence"]
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
    """

    id: str
    problem: Problem
    model: str
    revision: str
    seed: int
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


@dataclass(frozen=True)
class Cut:
    """A rollout, or what was drawn where it was cut: `sentences` names one cut a round, from 0.

    () is rollout `draw` itself, (5,) what continues it from before its sentence 5, (5, 2) what
    continues that from before sentence 2 of its own, and so on.
    """

    draw: int
    sentences: tuple[int, ...] = ()


@dataclass(frozen=True)
class Draw:
    """Wanted: `n` rollouts that continue the trace from a boundary (0 = before the first sentence).

    Draws of one `arm` are made once and shared by all detectors that name it; `append` is text put
    after the prefix before sampling starts. With `after`, a continuation of the arm's rollouts from
    each of these cuts; what was cut must be there.
    """

    boundary: int
    n: int
    until: Until = "end"
    arm: str = "resample"
    append: str = ""
    after: tuple[Cut, ...] = ()


@dataclass(frozen=True)
class Read:
    """Wanted: a teacher-forced pass over the trace that yields only the named fields.

    `checkpoint` is "" for the model that wrote the trace, or a name from model.checkpoints.
    """

    entropy: bool = False
    logprob: bool = False
    states: tuple[int, ...] = ()
    checkpoint: str = ""


@dataclass(frozen=True)
class Compare:
    """Wanted: KL(of || to) of two checkpoints' next-token distributions, in nats, by token."""

    of: str
    to: str


@runtime_checkable
class Summary(Protocol):
    """What reduces the attention of one layer; compared by value, so a frozen dataclass."""

    def __call__(
        self, weights: Float[np.ndarray, "heads sentences sentences"]
    ) -> Float[np.ndarray, "heads sentences"]:
        """One number a head and sentence."""
        ...


@dataclass(frozen=True)
class Attend:
    """Wanted: attention pooled to sentences, reduced layer by layer.

    `summary` is given the mean weight from the tokens of one sentence (row) to those of another
    (column) in every head of a layer.
    """

    summary: Summary


@dataclass(frozen=True)
class Suppress:
    """Wanted: what masking the attention to a sentence's tokens does to every later token.

    `own_rows` masks them for the sentence's own tokens too; `temperature` is that of both
    distributions.
    """

    own_rows: bool
    temperature: float


@dataclass(frozen=True)
class ReadText:
    """Wanted: the state of the last token of a text on its own, after block `layer` (-1 = last)."""

    text: str
    layer: int = -1


@dataclass(frozen=True)
class ReadRollouts:
    """Wanted: the state at the end of each rollout's first sentence, after block `layer`.

    To be asked for once the rollouts are there, of an arm that appends nothing; -1 = last block.
    """

    arm: str
    boundary: int
    layer: int = -1


@dataclass(frozen=True)
class Sentences:
    """Wanted: the sentences of the first `n` rollouts of an arm at a boundary, stripped.

    Those of their continuations too. To be asked for once the rollouts are there.
    """

    arm: str
    boundary: int
    n: int


@dataclass(frozen=True)
class Embed:
    """Wanted: unit sentence embeddings of some texts."""

    texts: tuple[str, ...]
    model: str


Want = Draw | Read | ReadText | ReadRollouts | Sentences | Embed | Compare | Attend | Suppress


@dataclass(frozen=True, eq=False)
class Rollouts:
    """The rollouts of one arm at one boundary; `answer` is canonical, NO_ANSWER where none.

    `states` are those of the first sentence's last token by block, float32, NaN where it is empty.
    Continuations have the `draw` of the rollout they go back to, and their `cuts`. Draws that are
    `passing` are the same rollouts as those draws of the boundary before, which wrote the sentence
    between as the trace has it.
    """

    draw: Int[np.ndarray, " draws"]
    answer: tuple[str, ...]
    correct: Bool[np.ndarray, " draws"]
    first_sentence: tuple[str, ...]
    states: Mapping[int, Float[np.ndarray, "draws width"]] = field(default_factory=dict)
    cuts: tuple[Cut, ...] = ()
    passing: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.answer)

    def take(self, keep: Bool[np.ndarray, " draws"]) -> "Rollouts":
        """The rollouts where `keep` is true."""
        index = np.flatnonzero(keep)
        return Rollouts(
            self.draw[index],
            tuple(self.answer[i] for i in index),
            self.correct[index],
            tuple(self.first_sentence[i] for i in index),
            {layer: states[index] for layer, states in self.states.items()},
            tuple(self.cuts[i] for i in index) if self.cuts else (),
            self.passing & set(self.draw[index].tolist()),
        )


@dataclass(frozen=True, eq=False)
class Reading:
    """What one pass over a trace yields, row t belonging to token t: the position that predicts it.

    entropy and logprob in nats at T = 1; states by block, in float32.
    """

    entropy: Float[np.ndarray, " tokens"] | None = None
    logprob: Float[np.ndarray, " tokens"] | None = None
    states: Mapping[int, Float[np.ndarray, "tokens width"]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything gathered about one trace so far; detectors read it and never fetch anything.

    `continued` holds the continuations of rollouts that were cut, `sentences` what both say.
    `reading` is of the model that wrote the trace, `others` of further checkpoints by name: NaN
    after the reasoning and beyond a checkpoint's context, and so is their `divergence`, in nats a
    token. `suppression` is KL(plain || masked) in nats of every token (row) when a sentence
    (column) is masked, NaN up to where the mask begins.
    """

    draws: int
    force: str
    references: tuple[Problem, ...]
    rollouts: Mapping[tuple[str, int], Rollouts] = field(default_factory=dict)
    continued: Mapping[tuple[str, int], Rollouts] = field(default_factory=dict)
    sentences: Mapping[tuple[str, int, Cut], tuple[str, ...]] = field(default_factory=dict)
    reading: Reading = field(default_factory=Reading)
    others: Mapping[str, Reading] = field(default_factory=dict)
    divergence: Mapping[Compare, Float[np.ndarray, " tokens"]] = field(default_factory=dict)
    attention: Mapping[Attend, Float[np.ndarray, "layers heads sentences"]] = field(
        default_factory=dict
    )
    suppression: Mapping[Suppress, Float[np.ndarray, "tokens sentences"]] = field(
        default_factory=dict
    )
    texts: Mapping[ReadText, Float[np.ndarray, " width"]] = field(default_factory=dict)
    embeddings: Mapping[tuple[str, str], Float[np.ndarray, " dims"]] = field(default_factory=dict)

    def reading_of(self, checkpoint: str) -> Reading:
        """The reading of a checkpoint by name, "" for the model that wrote the trace."""
        return self.others.get(checkpoint, Reading()) if checkpoint else self.reading

    def subset(self, keep: Mapping[tuple[str, int], Bool[np.ndarray, " draws"]]) -> "Evidence":
        """The same evidence with only some of the draws, for half-sample scores.

        A continuation stays if the rollout that it goes back to does.
        """
        rollouts = {k: r.take(keep[k]) for k, r in self.rollouts.items()}
        continued = {
            k: r.take(np.isin(r.draw, rollouts[k].draw)) for k, r in self.continued.items()
        }
        return replace(self, rollouts=rollouts, continued=continued)


@dataclass(frozen=True, eq=False)
class SentenceScores:
    """One number a sentence, higher = more of an anchor, NaN = undefined; diagnostics alike.

    `reason` says why all of a trace's scores are undefined; the status file counts it. The matrix
    is sentence × sentence, row i what sentence j (column) does to it.
    """

    score: Float[np.ndarray, " sentences"]
    diagnostics: Mapping[str, Float[np.ndarray, " sentences"]] = field(default_factory=dict)
    matrix: Float[np.ndarray, "sentences sentences"] | None = None
    reason: str = ""


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
class Wanting(Protocol):
    """The part of a detector that names the evidence it needs."""

    def wants(self, trace: Trace, have: Evidence) -> Sequence[Want]:
        """All the evidence the score rests on, as far as `have` lets it be known."""
        ...


@runtime_checkable
class Fitting(Protocol):
    """The part of a detector that learns across traces."""

    def fit(self, traces: Sequence[Trace], evidence: Sequence[Evidence]) -> Detector:
        """A fitted copy, to score traces of other problems; `evidence` is what it wants of each."""
        ...


@runtime_checkable
class Stating(Protocol):
    """The part of a fitted detector that says what it learnt."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it learnt, as JSON would hold it; the status file has it fold by fold."""
        ...


class UserError(Exception):
    """A mistake of the user's: shown as one line, exit code 2."""
