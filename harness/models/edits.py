"""A trace's tokens with some sentences replaced, and where everything went."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.core import Edit, UserError

NOWHERE = -1


@dataclass(frozen=True)
class Edited:
    """The tokens after the edits; positions count from the first token after the prompt.

    `place` is where each token of the trace stands now, `stops` each boundary, both NOWHERE for
    what was deleted. A boundary at which text is inserted lies behind it. Before position `first`
    the tokens are those of the trace.
    """

    token_ids: tuple[int, ...]
    place: tuple[int, ...]
    stops: tuple[int, ...]
    first: int


def edited(
    token_ids: Sequence[int],
    stops: Sequence[int],
    edits: Sequence[Edit],
    encode: Callable[[str], Sequence[int]],
) -> Edited:
    """The tokens of a trace under edits, which are in order and do not overlap.

    `stops` are the boundaries in tokens: sentence i is [stops[i], stops[i + 1]). New text is
    encoded alone. Raises UserError for an edit beyond the trace.
    """
    made, at = list[int](), 0
    place = [NOWHERE] * len(token_ids)
    moved = dict[int, int]()  # boundaries that an edit touches
    for edit in edits:
        if edit.stop >= len(stops):
            raise UserError(
                f"edit: sentences [{edit.start}, {edit.stop}) lie beyond the trace, which has "
                f"{len(stops) - 1}"
            )
        low, high = stops[edit.start], stops[edit.stop]
        _copied(made, place, token_ids, at, low)
        moved |= dict.fromkeys(range(edit.start + 1, edit.stop), NOWHERE)
        if edit.start < edit.stop:
            moved.setdefault(edit.start, len(made))
        made += encode(edit.text) if edit.text else ()
        moved[edit.stop] = len(made)
        at = high
    _copied(made, place, token_ids, at, len(token_ids))
    ends = tuple(_boundary(k, stop, moved, place, len(made)) for k, stop in enumerate(stops))
    return Edited(tuple(made), tuple(place), ends, _fork(token_ids, made))


def _copied(
    made: list[int], place: list[int], token_ids: Sequence[int], low: int, high: int
) -> None:
    """Take over the tokens [low, high)."""
    place[low:high] = range(len(made), len(made) + high - low)
    made += token_ids[low:high]


def _boundary(k: int, stop: int, moved: dict[int, int], place: Sequence[int], end: int) -> int:
    """Where boundary k lies now."""
    if k in moved:
        return moved[k]
    return place[stop] if stop < len(place) else end


def _fork(before: Sequence[int], after: Sequence[int]) -> int:
    """The first position at which two sequences differ, the shorter one's end if none does."""
    pairs = enumerate(zip(before, after, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(before), len(after)))
