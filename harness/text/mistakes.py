"""Mistakes made by rules: a sentence with one number or operation changed, and nothing else."""

import re
from random import Random

_LABELS = (
    "step|stage|case|part|equation|eq|figure|line|problem|question|method|option|approach|example|"
    "item|section|chapter|table"
)
_NUMBER = re.compile(r"(?<![\w.,])(?<!\\)\d+(?:,\d{3})*(?:\.\d+)?(?![\w]|[.,]\d)")
_LABEL = re.compile(rf"(?:\b(?:{_LABELS})s?\.?\s*[(#]?|#)$", re.IGNORECASE)
_ITEM = re.compile(r"\s*[(\[*]*$")  # a number behind this, with _CLOSED after it, counts a list
_CLOSED = re.compile(r"\*{0,2}(?:[):\]]|\.(?=\s+\S))")

# Words of one row may stand in each other's place.
_OPERATIONS = (
    ("add", "subtract", "multiply", "divide"),
    ("adds", "subtracts", "multiplies", "divides"),
    ("added", "subtracted", "multiplied", "divided"),
    ("adding", "subtracting", "multiplying", "dividing"),
    ("addition", "subtraction", "multiplication", "division"),
    ("total", "difference", "product"),
    ("sum", "difference", "product"),
    ("quotient", "product", "sum"),
)
_CHANGED = {  # the first two others of the first row that has the word
    word: tuple(other for other in row if other != word)[:2]
    for row in reversed(_OPERATIONS)
    for word in row
}
_SIGNS = {
    "plus": ("minus", "times"),
    "minus": ("plus", "times"),
    "times": ("plus", "minus"),
    "+": ("-",),
    "-": ("+",),
    "−": ("+",),
    "*": ("+",),
    "×": ("+",),
    "/": ("*",),
    "÷": ("×",),
    "\\times": ("+",),
    "\\cdot": ("+",),
    "\\div": ("\\times",),
}
_WORD = re.compile(rf"\b(?:{'|'.join(_CHANGED)})\b", re.IGNORECASE)
# Only between operands of one letter or in brackets: "three times" is no product.
_SIGN = re.compile(
    rf"(?:(?<=\b\w )|(?<=[)}}\]] ))(?:{'|'.join(map(re.escape, _SIGNS))})(?= (?:\w\b|[({{\[\\]))"
)


def mistaken(text: str, largest: int, seed: int) -> str | None:
    """A sentence with one mistake in it; None if it has no number and no operation.

    The last number is moved by 1 to `largest`, up or down, and keeps its number of digits, decimals
    and thousands separators; numbers that count steps or items of a list are let be. A sentence
    without one has its last operation changed to another: the word for a word of the same form, a
    sign for a sign. All else stays to the last character. The same text and seed give the same.
    Source: after Lanham et al., arXiv 2307.13702, where a model writes the mistakes.
    """
    random = Random(f"{seed} {text}")
    numbers = [m for m in _NUMBER.finditer(text) if not _counts(text, m)]
    if numbers:
        return _put(text, numbers[-1], _moved(numbers[-1].group(), largest, random))
    operations = [*_WORD.finditer(text), *_SIGN.finditer(text)]
    if not operations:
        return None
    last = max(operations, key=re.Match.start)
    known = _CHANGED.get(last.group().lower()) or _SIGNS[last.group()]
    return _put(text, last, _cased(random.choice(known), last.group()))


def disturbed(text: str, largest: int, seed: int) -> str | None:
    """A sentence with every number moved by 1 to `largest`, up or down; None if it has none.

    Each keeps its number of digits, decimals and thousands separators, and numbers that count steps
    or items of a list are let be. The same text and seed give the same.
    Source: after Can Aha Moments Be Fake?, arXiv 2510.24941, appendix A.
    """
    random = Random(f"{seed} {text}")
    numbers = [m for m in _NUMBER.finditer(text) if not _counts(text, m)]
    if not numbers:
        return None
    moved = [_moved(m.group(), largest, random) for m in numbers]
    for match, new in zip(reversed(numbers), reversed(moved), strict=True):
        text = _put(text, match, new)
    return text


def _counts(text: str, number: re.Match[str]) -> bool:
    """Whether a number is the name of a step, or counts an item of a list."""
    line = text[text.rfind("\n", 0, number.start()) + 1 : number.start()]
    if _LABEL.search(line):
        return True
    return bool(_ITEM.fullmatch(line) and _CLOSED.match(text, number.end()))


def _moved(number: str, largest: int, random: Random) -> str:
    """Another number of as many digits; of a single digit another digit."""
    digits = number.replace(",", "").replace(".", "")
    least = 10 ** (len(digits) - 1) if len(digits) > 1 and digits[0] != "0" else 0
    value, most = int(digits), 10 ** len(digits) - 1
    steps = [s for s in range(-largest, largest + 1) if s and least <= value + s <= most]
    changed = iter(str(value + random.choice(steps)).zfill(len(digits)))
    return "".join(next(changed) if c.isdigit() else c for c in number)


def _put(text: str, place: re.Match[str], new: str) -> str:
    return text[: place.start()] + new + text[place.end() :]


def _cased(word: str, like: str) -> str:
    """Capital letters as the word before had them."""
    if like.isupper():
        return word.upper()
    return word.capitalize() if like[:1].isupper() else word
