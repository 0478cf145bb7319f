"""Answers: found in a text, brought to one form, compared."""

import os
import re
from fractions import Fraction
from functools import lru_cache

from harness.core import NO_ANSWER
from harness.text.math_verify import worker
from harness.text.normalise import clean, comparable, number
from harness.text.patterns import compiled, matches

PATTERN = "problems.pattern"
_BRACES = re.compile(r"\\boxed\s*\{|(?<!\\)[{}]")


def extract(text: str, pattern: str) -> str | None:
    r"""The last `\boxed{…}` with balanced braces and something in it, else the last match.

    `pattern` is a regular expression whose group 1 is the answer; empty means none. Raises
    UserError where its search takes too long.
    """
    boxed = _last_boxed(text)
    if boxed is not None or not pattern:
        return boxed
    ready = compiled(pattern, PATTERN)
    found = [match.group(1) for match in matches(ready, text, PATTERN)]
    return next((answer.strip() for answer in reversed(found) if answer), None)


def _last_boxed(text: str) -> str | None:
    """One pass with a stack, so that a thousand open boxes cost no more than one."""
    found, open_at = None, list[int]()
    for match in _BRACES.finditer(text):
        if match.group() != "}":
            open_at.append(match.end() if match.group() != "{" else -1)
        elif open_at and (start := open_at.pop()) >= 0 and text[start : match.start()].strip():
            found = text[start : match.start()].strip()
    return found


@lru_cache(maxsize=65536)
def canonical(answer: str | None) -> str:
    """One form for the many spellings of an answer; NO_ANSWER for an empty or absent one.

    Numbers become decimals without trailing zeros, or lowest fractions where the decimal does not
    end; currency, percent, thousands separators and unit words go. LaTeX is put in order by
    math-verify and SymPy where that takes under CPU_SECONDS; sums of numbers and words stay.
    """
    text = clean(answer or "")
    return number(text) or _symbolic(text) or text or NO_ANSWER


@lru_cache(maxsize=65536)
def same(a: str, b: str) -> bool:
    """Whether two answers are equal: as canonical strings, as numbers to 1e-6, or by math-verify.

    No answer equals nothing, not even itself; neither does one that takes over CPU_SECONDS.
    """
    a, b = canonical(a), canonical(b)
    if NO_ANSWER in (a, b):
        return False
    if a.casefold() == b.casefold():
        return True
    x, y = value(a), value(b)
    if x is not None and y is not None:
        # Two integers that differ are different, however large; a rounded fraction is not.
        whole = x.denominator == y.denominator == 1
        return not whole and abs(x - y) <= Fraction(1, 10**6) * min(1, max(abs(x), abs(y)))
    return comparable(a) and comparable(b) and bool(worker.ask("equal", a, b))


def value(answer: str) -> Fraction | None:
    """The number a canonical answer stands for, or None if it is none or has over 60 characters."""
    plain = re.fullmatch(r"-?[0-9]+(\.[0-9]+|/[0-9]+)?", answer)
    return Fraction(answer) if plain and len(answer) <= 60 else None


def _symbolic(text: str) -> str:
    """The ordered LaTeX of a LaTeX expression, empty where math-verify makes nothing of it."""
    latex = comparable(text) and re.search(r"[\\^]", text)
    ordered = (worker.ask("order", text) or "") if latex else ""
    return number(ordered) or ordered


os.register_at_fork(after_in_child=worker.__init__)  # a fork must not share the pipes
