"""Behind which tokens a draw is written, and what is done to the model, in its own terms."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.core import Draw, Forbid, Mask, Recycle, Route, Steer, UserError
from harness.evidence.draws.checkpoints import handed_over, same_meaning
from harness.evidence.recorder import Start
from harness.models.conditions import Forbidden, Intervention, Recycled, Steered, token_ids
from harness.models.edits import NOWHERE, Edited, edited, spelling
from harness.models.model import Subject


@dataclass(frozen=True)
class Prefix:
    """The first `cut` tokens of `base`, `prompt` of them the prompt, and what is done meanwhile."""

    base: tuple[int, ...]
    prompt: int
    cut: int
    under: tuple[Intervention, ...]


def prefix(subject: Subject, start: Start, draw: Draw) -> Prefix:
    """Where a draw starts; raises UserError for a condition that makes no sense there."""
    condition, k = draw.condition, draw.boundary
    if any(edit.stop > k for edit in condition.edits):
        raise UserError(f"arm {draw.arm}: an edit of {start.owner} lies behind its boundary {k}")
    new = edited(start.token_ids, start.stops, condition.edits, spelling(subject.tokenizer))
    written = new.stops[k]
    if written == NOWHERE:
        raise UserError(f"arm {draw.arm}: boundary {k} of {start.owner} was edited away")
    written += _skipped(start, draw)
    prompt = _prompt(subject, start, condition.checkpoint, new.token_ids[:written])
    under = tuple(
        _steered(len(prompt) - 1, draw, new, each)
        if isinstance(each, Steer)
        else _in_tokens(subject, draw, each)
        for each in condition.under
    )
    return Prefix(prompt + new.token_ids, len(prompt), len(prompt) + written, under)


def _prompt(subject: Subject, start: Start, name: str, written: Sequence[int]) -> tuple[int, ...]:
    """The prompt as the checkpoint that writes on reads it.

    Raises UserError where it takes a token of the prefix for another.
    """
    who = subject.checkpoint(name)
    if who is subject:
        return start.prompt_ids
    same_meaning(subject, name, start.owner, written)
    return handed_over(subject, who, start.prompt_ids)


def _skipped(start: Start, draw: Draw) -> int:
    """Tokens of the next sentence that are kept."""
    if not draw.skip:
        return 0
    last = len(start.stops) - 1
    room = (
        start.stops[draw.boundary + 1] - start.stops[draw.boundary] if draw.boundary < last else 0
    )
    if draw.skip > room:
        raise UserError(
            f"arm {draw.arm}: cannot keep {draw.skip} tokens behind boundary {draw.boundary} of "
            f"{start.owner}, where a sentence of {room} follows"
        )
    return draw.skip


def everywhere(subject: Subject, draw: Draw) -> tuple[Intervention, ...]:
    """What is done to the model as if it were done at every token: what an engine must be able to.

    Raises UserError for words that are not one token, where sentences are masked, and for a
    checkpoint that is to take over from itself.
    """
    return tuple(
        Steered(each.layer, each.vector, None, written=True)
        if isinstance(each, Steer)
        else _in_tokens(subject, draw, each)
        for each in draw.condition.under
    )


def _in_tokens(subject: Subject, draw: Draw, each: Forbid | Recycle | Route | Mask) -> Intervention:
    if isinstance(each, Route):
        return _routed(subject, draw, each)
    if isinstance(each, Mask):
        raise UserError(f"arm {draw.arm}: nothing can be drawn while sentences are masked")
    ids = token_ids(subject, each.words)
    return Forbidden(ids) if isinstance(each, Forbid) else Recycled(each.layer, ids)


def _routed(subject: Subject, draw: Draw, route: Route) -> Route:
    """With the first name of the other checkpoint."""
    other = subject.same(route.other)
    if other == subject.same(draw.condition.checkpoint):
        name = route.other or "the model itself"
        raise UserError(f"arm {draw.arm}: {name} writes, and cannot take over from itself")
    return replace(route, other=other)


def _steered(shift: int, draw: Draw, new: Edited, steer: Steer) -> Steered:
    """Positions of the whole sequence; the state of token 0 of the trace stands at `shift`."""
    if steer.at is None:
        return Steered(steer.layer, steer.vector, None, written=True)
    k = draw.boundary
    if any(not 0 <= i <= k for i in steer.at) or (k in steer.at and draw.until != "sentence"):
        raise UserError(
            f"arm {draw.arm}: cannot steer at sentences {list(steer.at)} behind boundary {k}; only "
            "at those before it, or at the next where until is sentence"
        )
    spans = [(new.stops[i], new.stops[i + 1]) for i in steer.at if i < k]
    inside = tuple((shift + a, shift + b) for a, b in spans if NOWHERE not in (a, b))
    return Steered(steer.layer, steer.vector, inside, written=k in steer.at)
