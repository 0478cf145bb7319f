"""Answers in one spelling: what needs no mathematics to be seen as equal."""

import re
from decimal import Decimal, localcontext
from fractions import Fraction

LONGEST_PARSED = 200  # characters

# What is written in several ways and means one thing, in this order.
_SPELLINGS = [
    (r"[−–]", "-"),
    (r"\\(?:left|right|boxed)(?![a-zA-Z])|\\!|\\,|\\[()\[\]]", ""),
    (r"\\(?:quad|qquad)(?![a-zA-Z])|\\[;: ]|[~\u00a0]", " "),
    (r"\{(,)\}|\\([$%])", r"\1\2"),
    (r"\\[dtc]frac", r"\\frac"),
    (r"\\frac\s*([0-9])\s*([0-9])", r"\\frac{\1}{\2}"),
    (r"\\(?:times|cdot)(?![a-zA-Z])|×", "*"),
    (r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![a-zA-Z]))|\\degree(?![a-zA-Z])|°", ""),
    (r"\\(?:text|textbf|textit|mathrm|mathbf|mbox)\s*\{([^{}]*)\}", r" \1 "),
    (r"^[\s{]*\{([^{}]*)\}[\s}]*$", r"\1"),
    (r",(?![ ,]|[0-9]{3}(?![0-9]))", ", "),
    (r"[^\S\n]+", " "),
    (r"(?<=[(\[{^]) | (?=[)\]}^])", ""),
    (r"^\\?[A-Za-z]+ ?= ?([^=]+)$", r"\1"),
]

_DIGITS = r"[0-9]{1,30}(?:\.[0-9]{1,30})?"

_DECIMAL = re.compile(r"([-+]?) ?([0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(?:\.([0-9]*))?")

_FRACTION = re.compile(
    rf"([-+]?) ?(?:([0-9]{{1,30}})(?: | ?(?=\\)))?"
    rf"(?:\\frac ?\{{ ?(-?{_DIGITS}) ?\}} ?\{{ ?({_DIGITS}) ?\}}|({_DIGITS}) ?/ ?({_DIGITS}))"
)

_UNIT = re.compile(r"(.*[0-9}.])((?: ?%| [A-Za-z]{2,}(?:[/^]\{?[A-Za-z0-9]+\}?)?){1,4})")

# Words after a number that are no unit: they change the number or name an alternative.
_NO_UNIT = re.compile(
    r"hundred|thousand|[a-z]+illion|dozen|cents?|half|halves|thirds?|quarters?|pi|[ap]m|and|or|to|"
    r"plus|minus|times|over|mod|squared|cubed|factorial|remainder"
)


def clean(text: str) -> str:
    """The text in one spelling; five times over, since one layer may hide another."""
    for _ in range(5):
        text = text.strip("* \n").rstrip(".,;: ")
        if text.startswith("$") and text.endswith("$"):
            text = text.strip("$")
        for pattern, replacement in _SPELLINGS:
            text = re.sub(pattern, replacement, text)
    return text.strip()


def number(text: str) -> str | None:
    """A number as digits, fractions and thousands worked out, its unit dropped; None for others."""
    text = re.sub(r"^([-+]?) ?[$€£¥] ?", r"\1", text)
    unit = _UNIT.fullmatch(text)
    if unit and not any(_NO_UNIT.fullmatch(word) for word in unit[2].lower().split()):
        text = unit[1]
    return _decimal(text) or _fraction(text)


def _decimal(text: str) -> str | None:
    """By characters alone: ten thousand digits are no number Python would read."""
    match = _DECIMAL.fullmatch(text)
    if not match or not (match[2] or match[3]):
        return None
    whole = match[2].replace(",", "").lstrip("0") or "0"
    decimals = (match[3] or "").rstrip("0")
    digits = f"{whole}.{decimals}" if decimals else whole
    return f"-{digits}" if match[1] == "-" and digits != "0" else digits


def _fraction(text: str) -> str | None:
    """A decimal where it ends, else numerator/denominator."""
    match = _FRACTION.fullmatch(text)
    bottom = Fraction(match[4] or match[6]) if match else None
    if not match or not bottom:
        return None
    size = int(match[2] or 0) + Fraction(match[3] or match[5]) / bottom
    number = -size if match[1] == "-" else size
    with localcontext(prec=300):
        decimal = Decimal(number.numerator) / number.denominator
    return format(decimal, "f") if Fraction(decimal) == number else str(number)


def comparable(text: str) -> bool:
    """Short and without words, which math-verify takes for products of letters."""
    bare = re.sub(r"\\(?:begin|end)\{[a-z]+\}|\\[a-zA-Z]+", " ", text)
    return len(text) <= LONGEST_PARSED and not re.search(r"[a-zA-Z]{2}", bare)
