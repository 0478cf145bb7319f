"""Questions of another operation: the words that say what to do, changed for others."""

import re
from collections.abc import Sequence


def other_operation(text: str, rings: Sequence[Sequence[str]]) -> str | None:
    """The text with each operation word changed for the next of its ring; None if it has none.

    Words match whole and in any case; a capital stays one.
    """
    after = {
        word.lower(): ring[(n + 1) % len(ring)]
        for ring in reversed(rings)
        for n, word in enumerate(ring)
    }
    if not after:
        return None
    longest = sorted(after, key=len, reverse=True)
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest))})\b", re.IGNORECASE)
    made, n = pattern.subn(lambda m: _cased(after[m.group().lower()], m.group()), text)
    return made if n else None


def _cased(word: str, like: str) -> str:
    return word.capitalize() if like[:1].isupper() else word
