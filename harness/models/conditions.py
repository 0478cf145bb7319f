"""What is done to a model while it reads or writes, in the terms of its own tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from harness.core import Route, Steer, UserError
from harness.models.model import Subject


class Hidden(NamedTuple):
    """Keys [low, high), hidden from the queries at position `begin` and all later ones."""

    low: int
    high: int
    begin: int


@dataclass(frozen=True)
class Forbidden:
    """Tokens that are never drawn."""

    ids: tuple[int, ...]


@dataclass(frozen=True)
class Steered:
    """A vector added to the output of block `layer` at positions [start, stop) of the sequence.

    `spans` None: everywhere. `written`: at what is written behind the prefix, too; the state of a
    token is the one that predicts it, so that of the first token written is the prefix's last.
    """

    layer: int
    vector: tuple[float, ...]
    spans: tuple[tuple[int, int], ...] | None
    written: bool


@dataclass(frozen=True)
class Recycled:
    """Tokens at which block `layer` runs once more on its own output."""

    layer: int
    ids: tuple[int, ...]


Intervention = Forbidden | Steered | Recycled | Route


def check_layer(layer: int, blocks: int) -> None:
    """Raises UserError for a block that a model of so many does not have."""
    if not -blocks <= layer < blocks:
        raise UserError(f"layer {layer}: the model has blocks 0 to {blocks - 1}")


def check_width(vector: Sequence[float], config: Any, what: str = "steering vector") -> None:
    """Raises UserError for a vector that is not as wide as the model's states."""
    width = config.get_text_config().hidden_size
    if len(vector) != width:
        raise UserError(
            f"condition: a {what} of {len(vector)} numbers; the model's width is {width}"
        )


def check_steer(subject: Subject, steer: Steer) -> None:
    """Raises UserError for what a subject cannot be steered by, without loading its weights."""
    check_layer(steer.layer, subject.config.get_text_config().num_hidden_layers)
    check_width(steer.vector, subject.config)


def token_ids(subject: Subject, words: Sequence[str]) -> tuple[int, ...]:
    """The token of each word; raises UserError for one that is not exactly one token."""
    return tuple(_token_id(subject, word) for word in words)


def _token_id(subject: Subject, word: str) -> int:
    ids = subject.encode(word)
    if len(ids) != 1 or subject.tokenizer.decode(list(ids)) != word:
        how = f"takes {len(ids)} for it" if len(ids) != 1 else "cannot spell it"
        raise UserError(
            f"condition: {word!r} is not one token of the model's tokenizer, which {how}; words to "
            "forbid or to recycle at are one token each"
        )
    return ids[0]


@dataclass(frozen=True, eq=False)
class Stretch:
    """Tokens at the positions [start, stop), which see the cached keys before `start`.

    Of those and of its own keys some may be `hidden`; some of its states may be steered. Positions
    that are `left_out`, in order and apart, are not read: nothing that is read sees them.
    """

    number: int
    start: int
    stop: int
    hidden: tuple[Hidden, ...] = ()
    steered: tuple[Steered, ...] = ()
    left_out: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return self.stop - self.start - sum(high - low for low, high in self.left_out)
