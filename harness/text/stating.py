"""Which sentences state an answer."""

import re

from harness.text.answers import canonical, value
from harness.text.normalise import clean

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+|/\d+)?(?!\w)")


def states(text: str, answer: str) -> bool:
    """Whether a sentence has an answer in it: a number of that value, or else its words.

    A number that is not the answer but equals it counts, too. No answer is stated by nothing.
    """
    wanted = canonical(answer)
    number = value(wanted)
    if number is not None:
        return any(value(canonical(m.group())) == number for m in _NUMBER.finditer(text))
    words = clean(answer).casefold()
    if not words:
        return False
    return bool(re.search(rf"(?<!\w){re.escape(words)}(?!\w)", clean(text).casefold()))
