"""Coupled boundaries: a rollout in the trace's own words is one of the boundaries it passes, too.

Given that it wrote the next sentence as the trace has it, a rollout is distributed like one drawn
behind that sentence. So draw d of a boundary is made anew only where draw d of the boundary before
left the trace, and every boundary has as many independent draws as it had without coupling.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from harness.core import Cut, Draw
from harness.store.rollouts import Key

Place = tuple[str, int]  # arm and boundary


def runs_to_end(want: Draw) -> bool:
    """Whether draws write on from the boundary until the answer, with nothing put in between."""
    return want.until != "sentence" and not (want.append or want.after or want.leaving)


def couples(schedule: str, want: Draw) -> bool:
    """Whether draws of one boundary can stand for the next: nothing but the model's own words."""
    own = not (want.of or want.skip or want.condition.edits or want.condition.under)
    return schedule == "coupled" and runs_to_end(want) and own


def to_draw(
    want: Draw, most: Mapping[Place, int], recorded: Collection[Key], stretch: int
) -> list[Cut]:
    """The draws of a want, as many as `most` says, that those before cannot stand for any more.

    Those before are of the boundary before, where they are to be made. At every `stretch`-th
    boundary all are made, which bounds the rounds; so they are behind a boundary that nobody wants
    draws of.
    """
    before = (want.arm, want.boundary - 1)
    cuts = [Cut(draw) for draw in range(most[want.arm, want.boundary])]
    if want.boundary % stretch == 0 or before not in most:
        return cuts
    return [cut for cut in cuts if cut.draw >= most[before] or (*before, cut) in recorded]


def boundaries_reached(
    stops: Sequence[int],
    token_ids: Sequence[int],
    boundary: int,
    written: Sequence[int],
    stretch: int,
) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The boundaries that a rollout reaches in the trace's own words, and what it writes behind.

    `stops` are the trace's boundaries in tokens; none from the next `stretch`-th boundary on.
    """
    start = stops[boundary]
    for k in range(boundary + 1, len(stops)):
        size = stops[k] - start
        if k % stretch == 0 or tuple(written[:size]) != tuple(token_ids[start : stops[k]]):
            return
        yield k, tuple(written[size:])
