"""Published sentences found again in the text they were cut from."""

from collections.abc import Sequence
from itertools import accumulate, zip_longest

from harness.core import UserError
from harness.text.segmentation import Segmenter, Span


def locate(text: str, span: Span, chunks: Sequence[str]) -> list[int]:
    """Where each chunk begins in text[span], white space apart; the first begins with the span.

    Raises UserError unless the chunks, one after the other, are the whole of text[span].
    """
    solid = [i for i in range(*span) if not text[i].isspace()]
    parts = ["".join(chunk.split()) for chunk in chunks]
    ends = list(accumulate(map(len, parts)))
    at = _first_difference("".join(text[i] for i in solid), "".join(parts))
    if at is not None:
        n = sum(end <= at for end in ends)
        there = repr(text[solid[at] : span[1]][:40]) if at < len(solid) else "nothing more"
        wrong = f"chunk {n} is not what stands" if n < len(parts) else "no chunk has what stands"
        raise UserError(f"{wrong} there in the text: {there}")
    return [span[0], *(solid[end] for end in ends[:-1])]


def same_boundaries(text: str, span: Span, starts: Sequence[int], segmenter: Segmenter) -> bool:
    """Whether a segmenter cuts text[span] at the same places, white space apart."""
    ours = [span[0] + start for start, _ in segmenter(text[span[0] : span[1]])]
    return [_next_solid(text, at) for at in ours] == [_next_solid(text, at) for at in starts]


def _next_solid(text: str, at: int) -> int:
    return at + len(text[at:]) - len(text[at:].lstrip())


def _first_difference(a: str, b: str) -> int | None:
    """The first place where two texts differ; None if they are equal."""
    pairs = enumerate(zip_longest(a, b))
    return next((i for i, (x, y) in pairs if x != y), None)
