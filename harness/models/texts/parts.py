"""What is read of a text behind a boundary: its tokens, and those before it that are not cached."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from harness.models.conditions import Hidden, Steered, Stretch
from harness.models.edits import Resolved
from harness.models.packing import grouped, positions_read


@dataclass(frozen=True)
class Continuation:
    """Tokens behind a boundary, of which the first `given` are not scored.

    `steered` are the blocks and vectors that steer the states of these tokens, too.
    """

    boundary: int
    ids: tuple[int, ...]
    given: int = 0
    steered: tuple[tuple[int, tuple[float, ...]], ...] = ()


@dataclass(frozen=True, eq=False)
class Asked:
    """What is to be scored under one condition: as sampled at a temperature and top-p, or as is."""

    resolved: Resolved
    continuations: Sequence[Continuation]
    sampled: tuple[float, float] | None = None
    layers: Sequence[int] = ()


@dataclass(frozen=True, eq=False)
class Part:
    """A continuation under the condition with some number, read from the position `first` on.

    Without one it starts with the token before its boundary.
    """

    number: int
    continuation: Continuation
    asked: Asked
    first: int | None = None

    @cached_property
    def at(self) -> int:
        """The position of its boundary."""
        return self.asked.resolved.stops[self.continuation.boundary]

    @cached_property
    def hidden(self) -> tuple[Hidden, ...]:
        """What is hidden from it, in order."""
        return tuple(sorted(self.asked.resolved.before(self.at).hidden))

    def masked(self, trace_ids: Sequence[int]) -> bool:
        """Whether its condition does nothing but hide sentences of the trace."""
        ids, steered = self.asked.resolved.ids, self.continuation.steered
        untouched = ids == tuple(trace_ids[: len(ids)])
        return untouched and not (self.asked.resolved.steered or steered)

    def start(self, known: int) -> int:
        """From where it is read if so many of the sentences that are hidden are hidden already."""
        last = self.at - 1
        return min(self.hidden[known].begin, last) if known < len(self.hidden) else last

    def saved(self, known: int) -> int:
        """How many tokens less are read if one more sentence is hidden already."""
        start, after = self.start(known), self.hidden[known + 1 : known + 2]
        skipped = sum(h.high - h.low for h in after if start <= h.low)
        return self.start(known + 1) - start - skipped

    def stretch(self, number: int) -> Stretch:
        """Its tokens with those before it, under what is done before its boundary."""
        resolved, c, at = self.asked.resolved, self.continuation, self.at
        start = at - 1 if self.first is None else min(self.first, at - 1)
        stop = at + len(c.ids) - (0 if self.asked.layers else 1)
        before = resolved.before(at)
        own = tuple(
            Steered(layer, vector, ((at - 1, at + len(c.ids) - 1),), written=True)
            for layer, vector in c.steered
        )
        # Who is hidden from all that comes later need not be read, unless it predicts the text.
        unread = {(h.low, h.high) for h in before.hidden if h.begin <= h.high}
        left_out = sorted(span for span in unread if start <= span[0] and span[1] < at)
        return Stretch(number, start, stop, before.hidden, before.steered + own, tuple(left_out))

    def tokens(self, stretch: Stretch) -> list[int]:
        """What the stretch reads."""
        whole = (*self.asked.resolved.ids[: self.at], *self.continuation.ids)
        return [whole[position] for position in positions_read(stretch).tolist()]

    def predicting(self, stretch: Stretch, hidden: Tensor) -> Tensor:
        """Its states that predict what is scored."""
        c = self.continuation
        low = len(stretch) - (stretch.stop - self.at + 1)
        return hidden[low + c.given : low + len(c.ids)]


def groups(parts: Sequence[Part], size: int) -> Iterator[list[tuple[Part, Stretch]]]:
    """Those that share a pass, with their stretches: alike in what is wanted of them."""
    alike: dict[tuple[object, ...], list[Stretch]] = {}
    for n, part in enumerate(parts):
        key = (part.asked.sampled, *part.asked.layers)
        alike.setdefault(key, []).append(part.stretch(n))
    for stretches in alike.values():
        for group in grouped(stretches, size):
            yield [(parts[stretch.number], stretch) for stretch in group]
