"""What is done to a model while it reads or writes, in the terms of its own tokens."""

from dataclasses import dataclass


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


Intervention = Forbidden | Steered | Recycled
