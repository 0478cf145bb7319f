"""From a text to its sentences, as character spans and as token spans."""

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from harness.core import Sentence, UserError
from harness.core.config import named

Span = tuple[int, int]
Segmenter = Callable[[str], list[Span]]

# Line breaks close a sentence; the spaces after them open the next, as tokens have them.
_BOUNDARY = re.compile(r"(?:[.?!](?=[ \n])|(?=\n\n|\r\n\r\n))(?:\s*\n)?")


@dataclass(frozen=True)
class Segmentation:
    """Which function cuts a text into sentences.

    `function` is "default" or the dotted path of a callable text -> [(start, stop), …] in
    characters, which must not move its first span once a second one follows. `min_chars` is the
    length in characters under which the default merges a piece.
    """

    function: str
    min_chars: int

    def __post_init__(self) -> None:
        if self.min_chars < 0:
            raise UserError(f"segmentation.min_chars: at least 0, got {self.min_chars}")

    @property
    def segmenter(self) -> Segmenter:
        """The callable itself; raises UserError if there is none of that name."""
        if self.function == "default":
            return partial(offsets, min_chars=self.min_chars)
        function = named(self.function, "segmentation.function")
        if not callable(function):
            raise UserError(f"segmentation.function: {self.function} is not callable")
        return partial(_custom, function, self.function)


def offsets(text: str, min_chars: int = 10) -> list[Span]:
    """Half-open character spans of the sentences, tiling the text.

    A boundary lies at a blank line and after `.`, `?` or `!` before a space or newline. Line breaks
    between sentences belong to the one before and the space ahead of a word to the word's own,
    since most tokenizers begin a word's token with it. A piece shorter than `min_chars` (stripped)
    merges into the next, a short last one into the one before.
    Source: the rule behind the data of Thought Anchors, arXiv 2506.19143.
    """
    starts, kept, size = _starts(text), [], 0
    for start, stop in _tile(starts, len(text)):
        if size == 0:
            kept.append(start)
        # Merged pieces count as if joined by one space, as where the rule comes from.
        size += (size > 0) + len(text[start:stop].strip())
        if size >= min_chars:
            size = 0
    if size > 0 and len(kept) > 1:
        kept.pop()
    return _tile(kept, len(text))


def _starts(text: str) -> list[int]:
    """Where the pieces begin, none of them mere white space unless the whole text is."""
    ends = [match.end() for match in _BOUNDARY.finditer(text)]
    first, last = len(text) - len(text.lstrip()), len(text.rstrip())
    return [0, *(end for end in ends if first < end < last)] if text else []


def _tile(starts: Sequence[int], stop: int) -> list[Span]:
    return list(pairwise([*starts, stop]))


def _custom(function: Callable[[str], Any], name: str, text: str) -> list[Span]:
    """What a foreign segmenter returns, its gaps closed: each span reaches up to the next."""
    starts = [int(start) for start, _ in function(text)] if text else []
    rising = all(a < b for a, b in pairwise(starts))
    if not rising or any(not 0 <= start < len(text) for start in starts):
        raise UserError(f"segmentation.function: {name} gives spans out of order or range")
    return _tile([0, *starts[1:]] if text else [], len(text))


def reasoning_span(text: str, open_tag: str, close_tag: str) -> Span:
    """The characters [start, stop) between the tags, or up to where a tag is missing.

    The opening tag may stand in the prompt; one behind the closing tag does not count. An empty tag
    is a missing one.
    """
    close = text.find(close_tag) if close_tag else -1
    stop = close if close >= 0 else len(text)
    start = text.find(open_tag, 0, stop) if open_tag else -1
    return (start + len(open_tag) if start >= 0 else 0, stop)


def sentences(
    text: str, token_starts: Sequence[int], span: Span, segmenter: Segmenter
) -> tuple[Sentence, ...]:
    """The sentences of text[span], tiling the tokens that start inside the span.

    `token_starts` are the characters of `text` at which the tokens begin, never falling. A boundary
    inside a token goes to the sentence where the token starts; a sentence left without a token
    merges into its neighbour.
    """
    cuts = [span[0] + start for start, _ in segmenter(text[span[0] : span[1]])]
    edges = [bisect_left(token_starts, cut) for cut in [*cuts, span[1]]]
    ends = [*token_starts, len(text)]
    return tuple(
        Sentence(text[ends[start] : ends[stop]], start, stop, None)
        for start, stop in pairwise(edges)
        if start < stop
    )


def first_sentence(text: str, segmenter: Segmenter) -> int | None:
    """Where the first sentence of a growing text ends, in characters; None while that can change.

    It is certain as soon as a second sentence stands: boundaries look ahead at
    white space only, and a sentence that is long enough stays so.
    """
    spans = segmenter(text)
    return spans[0][1] if len(spans) > 1 else None
