"""What a detector may want of a trace; wants are compared by value."""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

Until = Literal["end", "answer", "sentence"]


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
