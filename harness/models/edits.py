"""A trace's tokens under a condition: what replaces what, and where everything went."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int

from harness.core import Condition, Edit, Mask, Steer, Trace, UserError
from harness.models.conditions import Hidden, Steered

NOWHERE = -1


@dataclass(frozen=True, eq=False)
class Resolved:
    """The sequence that a model reads under a condition; positions count from its first token.

    `place` is where each token of the trace stands, `stops` where each boundary does, both NOWHERE
    for what is deleted and beyond the model's context. Before position `first` every state and
    every token is that of the trace as it is.
    """

    ids: tuple[int, ...]
    place: tuple[int, ...]
    stops: tuple[int, ...]
    first: int
    hidden: tuple[Hidden, ...] = ()
    steered: tuple[Steered, ...] = ()

    def rows(self) -> tuple[Int[np.ndarray, " rows"], Int[np.ndarray, " rows"]]:
        """The trace's tokens that are there, and the positions that predict them."""
        place = np.array(self.place, np.int64)
        tokens = np.flatnonzero(place != NOWHERE)
        return tokens, place[tokens] - 1

    def before(self, position: int) -> "Resolved":
        """The same up to a boundary's position, with what is done to the sentences before it."""
        steered = tuple(
            replace(each, spans=each.spans and tuple(s for s in each.spans if s[1] < position))
            for each in self.steered
        )
        hidden = tuple(each for each in self.hidden if each.high <= position)
        return replace(self, ids=self.ids[:position], hidden=hidden, steered=steered)


def untouched(trace: Trace) -> Resolved:
    """A trace as it is."""
    ids = (*trace.prompt_ids, *trace.token_ids)
    at = len(trace.prompt_ids)
    stops = tuple(at + stop for stop in boundaries(trace))
    return Resolved(ids, tuple(range(at, len(ids))), stops, len(ids))


def resolved(
    trace: Trace, condition: Condition, encode: Callable[[str], Sequence[int]], context: int
) -> Resolved:
    """A trace under a condition, for a model of some context and the checkpoint's own tokens.

    Raises UserError for edits and sentences beyond the trace, for a sentence that is both edited
    away and masked or steered, and for what acts only on what is drawn.
    """
    text = edited(trace.token_ids, boundaries(trace), condition.edits, encode)
    at = len(trace.prompt_ids)
    ids = (*trace.prompt_ids, *text.token_ids)[:context]
    place = tuple(NOWHERE if not 0 <= p < len(ids) - at else at + p for p in text.place)
    stops = tuple(NOWHERE if not 0 <= s <= len(ids) - at else at + s for s in text.stops)
    hidden, steered, changes = list[Hidden](), list[Steered](), [at + text.first, len(ids)]
    for change in condition.under:
        if isinstance(change, Mask):
            spans = [*_spans(trace, text, change.sentences)]
            hidden += (Hidden(at + low, at + high, at + high) for low, high in spans)
            changes += (at + high for _, high in spans)
        elif isinstance(change, Steer):
            if any(change.vector):  # one of zeros changes nothing, to the last bit
                steered.append(_steered(trace, text, change))
                spans = steered[-1].spans
                changes += [0] if spans is None else [low for low, _ in spans]
        else:
            raise UserError(
                f"condition: {type(change).__name__} acts on what is drawn; nothing can be read "
                "under it"
            )
    return Resolved(ids, place, stops, min(changes), tuple(hidden), tuple(steered))


def boundaries(trace: Trace) -> tuple[int, ...]:
    """The trace's boundaries in tokens: before the first sentence and after each."""
    return (trace.reasoning.start, *(sentence.stop for sentence in trace.sentences))


def _spans(trace: Trace, text: "Edited", sentences: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where the tokens of some sentences stand, after the prompt; nothing for one without any."""
    for number in sentences:
        if not 0 <= number < len(trace.sentences):
            raise UserError(
                f"condition: sentence {number} lies beyond the trace, which has "
                f"{len(trace.sentences)}"
            )
        sentence = trace.sentences[number]
        if sentence.start == sentence.stop:
            continue
        low = text.place[sentence.start]
        if low == NOWHERE:
            raise UserError(
                f"condition: sentence {number} is edited away and cannot be masked or steered"
            )
        yield low, low + sentence.stop - sentence.start


def _steered(trace: Trace, text: "Edited", steer: Steer) -> Steered:
    """The states that predict the tokens of some sentences, by position."""
    if steer.at is None:
        return Steered(steer.layer, steer.vector, None, True)
    before = len(trace.prompt_ids) - 1
    spans = [*_spans(trace, text, steer.at)]
    moved = tuple((before + low, before + high) for low, high in spans)
    return Steered(steer.layer, steer.vector, moved, False)


def spelling(tokenizer: Any) -> Callable[[str], tuple[int, ...]]:
    """How a tokenizer spells what edits put in; raises UserError for a text that it cannot."""

    def spelled(text: str) -> tuple[int, ...]:
        ids = tuple(tokenizer.encode(text, add_special_tokens=False))
        unknown = getattr(tokenizer, "unk_token_id", None)
        if unknown is not None and unknown in ids and tokenizer.unk_token not in text:
            raise UserError(
                f"edit: the model's tokenizer cannot spell {text!r:.120}; word it in tokens that "
                "the model has"
            )
        return ids

    return spelled


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
    made, at, behind = list[int](), 0, 0
    place, ends = [NOWHERE] * len(token_ids), [NOWHERE] * len(stops)
    for edit in (*edits, None):
        if edit and edit.stop >= len(stops):
            raise UserError(
                f"edit: sentences [{edit.start}, {edit.stop}) lie beyond the trace, which has "
                f"{len(stops) - 1}"
            )
        low = stops[edit.start] if edit else len(token_ids)
        shift = len(made) - at
        place[at:low] = range(at + shift, low + shift)
        made += token_ids[at:low]
        for k in range(behind, edit.start + 1 if edit else len(stops)):
            ends[k] = stops[k] + shift
        if edit:
            made += encode(edit.text) if edit.text else ()
            ends[edit.stop] = len(made)
            at, behind = stops[edit.stop], edit.stop + 1
    return Edited(tuple(made), tuple(place), tuple(ends), _fork(token_ids, made))


def _fork(before: Sequence[int], after: Sequence[int]) -> int:
    """The first position at which two sequences differ, the shorter one's end if none does."""
    pairs = enumerate(zip(before, after, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(before), len(after)))
