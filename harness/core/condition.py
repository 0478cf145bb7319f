"""Under which condition a trace is read or continued: whose weights, which text, what is done."""

from dataclasses import dataclass
from itertools import pairwise
from math import isnan
from typing import Literal

from harness.core.errors import UserError


@dataclass(frozen=True)
class Edit:
    """Sentences [start, stop) give way to `text`; start = stop inserts, "" deletes."""

    start: int
    stop: int
    text: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.stop:
            raise UserError(f"edit: sentences [{self.start}, {self.stop}) are none")


@dataclass(frozen=True)
class Mask:
    """Attention to these sentences is taken away from all later tokens, in every layer and head."""

    sentences: tuple[int, ...]


@dataclass(frozen=True)
class Steer:
    """A vector added to the output of block `layer`, the states of all tokens or of some sentences.

    The state of a token is the one that predicts it, a position before. In a rollout `at` may name
    sentences before the boundary, and the one behind it where only that one is drawn.
    """

    layer: int
    vector: tuple[float, ...]
    at: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Forbid:
    """Strings that are one token each, exactly, and are never drawn."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class Recycle:
    """At these words the output of block `layer` runs through that block once more.

    The keys and values of the second time replace those of the first. Each word is one token.
    Source: Representation Recycling, arXiv 2506.02867.
    """

    layer: int
    words: tuple[str, ...]


Router = Literal["kl", "disagreement", "entropy", "random", "probe"]


@dataclass(frozen=True)
class Route:
    """The checkpoint `other` writes each token where the router's value reaches the threshold.

    Of the two next-token distributions at T = 1, in nats: `kl` is KL(other || own), `disagreement`
    1 where their likeliest tokens differ, else 0, `entropy` that of the own one. `random` is noise
    in [0, 1): a threshold of 1 - r takes a share r. `probe` is `vector` · state + `bias` for a
    whole sentence, by the own state behind block `layer` that predicts its first token; -inf before
    one begins.
    What else is done to the model is done to the own checkpoint alone, but for forbidden words.
    Raises UserError for a threshold that is no number, and a vector without or beside `probe`.
    """

    other: str
    router: Router
    threshold: float
    layer: int = 0
    vector: tuple[float, ...] = ()
    bias: float = 0.0

    def __post_init__(self) -> None:
        if isnan(self.threshold):
            raise UserError("route: its threshold is no number")
        if (self.router == "probe") != bool(self.vector):
            raise UserError(f"route: router {self.router}; a vector is what a probe needs alone")


@dataclass(frozen=True)
class Condition:
    """Whose weights, which text, and what is done to them; the default is the trace as it is.

    `checkpoint` is "" for the model that wrote the trace, or a name from model.checkpoints.
    Sentences are numbered as in the trace, before any edit; edits are kept in their order. Raises
    UserError for edits that overlap, or two at one place, and for two that route.
    """

    checkpoint: str = ""
    edits: tuple[Edit, ...] = ()
    under: tuple[Mask | Steer | Forbid | Recycle | Route, ...] = ()

    def __post_init__(self) -> None:
        if sum(isinstance(each, Route) for each in self.under) > 1:
            raise UserError("condition: only one Route can say which checkpoint writes a token")
        ordered = tuple(sorted(self.edits, key=lambda edit: (edit.start, edit.stop)))
        object.__setattr__(self, "edits", ordered)
        for before, after in pairwise(ordered):
            twice = (after.start, after.stop) == (before.start, before.stop)
            if twice or after.start < before.stop:
                raise UserError(
                    f"edits: [{before.start}, {before.stop}) and [{after.start}, {after.stop}) "
                    "of one condition overlap"
                )


PLAIN = Condition()
