"""What another checkpoint's tokenizer makes of tokens; imports no torch."""

from collections.abc import Sequence

from harness.core import UserError
from harness.models.model import Subject


def same_meaning(subject: Subject, name: str, owner: str, ids: Sequence[int]) -> None:
    """Raises UserError for the first id that a checkpoint's tokenizer decodes differently."""
    who = subject.checkpoint(name)
    other = _foreign(subject, who, ids)
    if other is not None:
        here, there = (s.tokenizer.decode([other]) for s in (subject, who))
        raise UserError(
            f"model.checkpoints.{name}: token {other} of {owner} is {there!r} to its "
            f"tokenizer and {here!r} to the model's; only checkpoints of one tokenizer compare"
        )


def handed_over(subject: Subject, who: Subject, ids: Sequence[int]) -> tuple[int, ...]:
    """The ids themselves, or their text in the ids of a checkpoint that means others by it."""
    if _foreign(subject, who, ids) is None:
        return tuple(ids)
    return who.encode(str(subject.tokenizer.decode(list(ids))))


def _foreign(subject: Subject, who: Subject, ids: Sequence[int]) -> int | None:
    """The first id that two tokenizers decode differently."""
    if who is subject:
        return None
    tokenizers = (subject.tokenizer, who.tokenizer)
    pairs = ((i, [t.decode([i]) for t in tokenizers]) for i in dict.fromkeys(ids))
    return next((i for i, (here, there) in pairs if here != there), None)
