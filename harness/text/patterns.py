"""Patterns that a user gives: each search has a time limit, whatever pattern and text are."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import regex

from harness.core import UserError

SECONDS = 2.0  # that a search may take


@lru_cache(maxsize=256)
def compiled(pattern: str, where: str, *, ignore_case: bool = False) -> Any:
    """A pattern, ready; raises UserError naming the key where it stands, if it is none."""
    try:
        return regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)
    except regex.error as error:
        raise UserError(f"{where}: {pattern} is no regular expression ({error})") from None


def matches(pattern: Any, text: str, where: str) -> Iterator[Any]:
    """The matches in a text, first to last; raises UserError where the search takes too long."""
    try:
        yield from pattern.finditer(text, timeout=SECONDS)
    except TimeoutError:
        raise UserError(
            f"{where}: {pattern.pattern} takes over {SECONDS:g} s on a text of {len(text):,} "
            "characters; write it so that no two repeats can take the same characters"
        ) from None
