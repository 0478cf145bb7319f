"""What a user is told in one line."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake of the user's: shown as one line, exit code 2."""


def in_words(error: BaseException) -> str:
    """Type, message and place of an exception, in one line; of a UserError the message alone."""
    if isinstance(error, UserError):
        return str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = ""
    if trace is not None:
        file = trace.tb_frame.f_code.co_filename.rpartition("/")[2]
        place = f" ({file} line {trace.tb_lineno})"
    return " ".join(f"{type(error).__name__}: {error}".split())[:300] + place


def meant(name: str, names: Iterable[str]) -> str:
    """The question whether a misspelt name means one that there is; nothing if none is near."""
    close = get_close_matches(name, list(names), n=1, cutoff=0.7)
    return f"did you mean {close[0]}? " if close else ""
