"""Coupled boundaries: a rollout in the trace's own words is one of the boundaries it passes, too.

Given that it wrote the next sentence as the trace has it, a rollout is distributed like one drawn
behind that sentence. So draw d of a boundary is made anew only where draw d of the boundary before
left the trace, and every boundary has as many independent draws as it had without coupling.
"""

from collections.abc import Collection, Iterator, Sequence

from harness.recorded import Key
from harness.types import Cut, Draw


def couples(schedule: str, want: Draw) -> bool:
    """Whether draws of one boundary can stand for the next: they go on, and nothing is appended."""
    return schedule == "coupled" and want.until != "sentence" and not want.append and not want.after


def due(
    want: Draw, wanted: Collection[tuple[str, int]], recorded: Collection[Key], stretch: int
) -> list[Cut]:
    """The draws of a want that the draws of the boundary before cannot stand for any more.

    At every `stretch`-th boundary all are drawn, which bounds the rounds; so they are behind a
    boundary that nobody wants draws of.
    """
    before = (want.arm, want.boundary - 1)
    cuts = [Cut(draw) for draw in range(want.n)]
    if want.boundary % stretch == 0 or before not in wanted:
        return cuts
    return [cut for cut in cuts if (*before, cut) in recorded]


def passed(
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
