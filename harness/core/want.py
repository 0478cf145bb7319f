"""What a detector may want of a trace; wants are compared by value.

`Evidence.found(want)` gives what a want is answered with: a `Want[R]` gives an R.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float

from harness.core.condition import PLAIN, Condition
from harness.core.errors import UserError
from harness.core.results import (
    Comparison,
    Cut,
    Departure,
    Departures,
    Reading,
    RolloutReading,
    Rollouts,
)

Until = Literal["end", "answer", "sentence"]
R_co = TypeVar("R_co", covariant=True)


class Want(Generic[R_co]):
    """Something that may be wanted of a trace, answered by an R."""


@dataclass(frozen=True)
class Draw(Want[Rollouts]):
    """Wanted: `n` rollouts that continue the trace from a boundary (0 = before the first sentence).

    Draws of one `arm` are made once and shared by all detectors that name it; `append` is text put
    after the prefix before sampling starts. With `after`, a continuation of the arm's rollouts from
    each of these cuts; what was cut must be there. With `of`, draw d goes on behind the first
    sentence of draw d of that arm at the same boundary, and one that ended there is handed on.
    `skip` tokens of the next sentence are kept. `condition` says who writes, behind which text, and
    what is done meanwhile; none may be masked. `most` caps the new tokens within the run's own cap;
    None stands for that alone, behind appended text for an answer's. None is the run's temperature
    and top-p, too. With `leaving`, draw d leaves the next sentence as the d-th of them says, which
    `Depart` gives, and goes on; what it kept is part of the rollout. `seeded` names the arm whose
    seeds these rollouts take, "" = their own: a replica, which is asked for in another order.
    """

    boundary: int
    n: int
    until: Until = "end"
    arm: str = "resample"
    append: str = ""
    after: tuple[Cut, ...] = ()
    condition: Condition = PLAIN
    of: str = ""
    skip: int = 0
    most: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    leaving: tuple[Departure, ...] = ()
    seeded: str = ""

    def __post_init__(self) -> None:
        if self.seeded and (self.of or self.after or self.leaving or self.seeded == self.arm):
            raise UserError(
                f"arm {self.arm}: only rollouts behind the trace itself, of another arm than "
                f"{self.seeded or self.arm}, take the seeds of an arm"
            )
        if self.leaving:
            self._check_leaving()
        if self.of and (self.append or self.after or self.skip):
            raise UserError(
                f"arm {self.arm}: what goes on behind rollouts of {self.of} can neither append a "
                "text, nor skip tokens, nor start at cuts"
            )
        if self.of == self.arm:
            raise UserError(f"arm {self.arm}: it cannot go on behind itself")

    def _check_leaving(self) -> None:
        """Departures are those of the model's own words as they are sampled, to their end."""
        if len(self.leaving) != self.n:
            raise UserError(f"arm {self.arm}: {self.n} rollouts leave in {len(self.leaving)} ways")
        if replace(self, leaving=(), boundary=0, n=1, most=None) != Draw(0, 1, arm=self.arm):
            raise UserError(
                f"arm {self.arm}: rollouts that leave the trace's sentence are drawn to the end, "
                "by the model alone, with the temperature and top-p of the run"
            )


@dataclass(frozen=True)
class Read(Want[Reading]):
    """Wanted: a teacher-forced pass over the trace that yields only the named fields.

    Rows are the trace's own tokens, whatever the condition; see `Reading`. `top_entropy` is the
    number of likeliest tokens, 0 = not wanted.
    """

    entropy: bool = False
    logprob: bool = False
    states: tuple[int, ...] = ()
    sampled: bool = False
    top_entropy: int = 0
    condition: Condition = PLAIN


@dataclass(frozen=True)
class Depart(Want[Departures]):
    """Wanted: how probable each sentence is, and where `n` rollouts of an arm leave it.

    The place of draw d follows from the run's seed, the trace, `arm`, the boundary and d; there it
    takes another token of the nucleus, with the probability that sampling gives it if not the
    trace's own. To be asked for before the draws, which are given what it says.
    """

    arm: str
    n: int


@dataclass(frozen=True)
class Compare(Want[Comparison]):
    """Wanted: how the next-token distributions of two conditions differ, by token."""

    of: Condition
    to: Condition


@dataclass(frozen=True)
class Likelihood(Want[Float[np.ndarray, " boundaries"]]):
    """Wanted: log p in nats of a text after each boundary and `append`, at T = 1.

    `text` includes what closes the answer. `boundaries` None: all, from 0 to the number of
    sentences, in one pass over a shared cache. NaN at a boundary within a deleted stretch, and
    where the prefix does not fit into the context.
    """

    text: str
    append: str = ""
    boundaries: tuple[int, ...] | None = None
    condition: Condition = PLAIN


@runtime_checkable
class Summary(Protocol):
    """What reduces the attention of one layer; compared by value, so a frozen dataclass."""

    def __call__(
        self, weights: Float[np.ndarray, "heads sentences sentences"]
    ) -> Float[np.ndarray, "heads sentences"]:
        """One number a head and sentence."""
        ...


@dataclass(frozen=True)
class Attend(Want[Float[np.ndarray, "layers heads sentences"]]):
    """Wanted: attention pooled to sentences, reduced layer by layer.

    `summary` is given the mean weight from the tokens of one sentence (row) to those of another
    (column) in every head of a layer. `checkpoint` names whose attention, as a condition does.
    """

    summary: Summary
    checkpoint: str = ""


@dataclass(frozen=True)
class Suppress(Want[Float[np.ndarray, "tokens sentences"]]):
    """Wanted: what masking the attention to a sentence's tokens does to every later token.

    KL(plain || masked) in nats of every token (row) when a sentence (column) is masked, NaN up to
    where the mask begins. `own_rows` masks them for the sentence's own tokens too; `temperature` is
    that of both distributions. `checkpoint` names whose attention, as a condition does.
    """

    own_rows: bool
    temperature: float
    checkpoint: str = ""


@dataclass(frozen=True)
class ReadText(Want[Float[np.ndarray, " width"]]):
    """Wanted: the state of the last token of a text on its own, after block `layer` (-1 = last)."""

    text: str
    layer: int = -1


@dataclass(frozen=True)
class ReadRollouts(Want[RolloutReading]):
    """Wanted of each rollout's first sentence: the state at its end, or its log p as sampled.

    To be asked for once the rollouts are there, of an arm that appends nothing. `layer`: after
    which block, -1 = the last, None = no states.
    """

    arm: str
    boundary: int
    layer: int | None = -1
    sampled: bool = False
    condition: Condition = PLAIN


@dataclass(frozen=True)
class Sentences(Want[Mapping[Cut, tuple[str, ...]]]):
    """Wanted: the sentences of the first `n` rollouts of an arm at a boundary, stripped.

    Those of their continuations too. To be asked for once the rollouts are there.
    """

    arm: str
    boundary: int
    n: int


@dataclass(frozen=True)
class RolloutText(Want[Mapping[int, str]]):
    """Wanted: the texts of the first `n` rollouts of an arm at a boundary, as written, by draw.

    To be asked for once the rollouts are there.
    """

    arm: str
    boundary: int
    n: int


@dataclass(frozen=True)
class Embed(Want[Mapping[str, Float[np.ndarray, " dims"]]]):
    """Wanted: unit sentence embeddings of some texts."""

    texts: tuple[str, ...]
    model: str
