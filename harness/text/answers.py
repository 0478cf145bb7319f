"""Answers: found in a text, brought to one form, compared."""

import json
import logging
import os
import re
import signal
import sys
import threading
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from subprocess import DEVNULL, PIPE, Popen
from typing import Any

from harness.core import NO_ANSWER

CPU_SECONDS = 2.0
LONGEST_PARSED = 200  # characters

_BRACES = re.compile(r"\\boxed\s*\{|(?<!\\)[{}]")

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


def extract(text: str, pattern: str) -> str | None:
    r"""The last `\boxed{…}` with balanced braces and something in it, else the last match.

    `pattern` is a regular expression whose group 1 is the answer; empty means none.
    """
    boxed = _last_boxed(text)
    if boxed is not None or not pattern:
        return boxed
    found = [match.group(1) for match in re.finditer(pattern, text)]
    return next((answer.strip() for answer in reversed(found) if answer), None)


def _last_boxed(text: str) -> str | None:
    """One pass with a stack, so that a thousand open boxes cost no more than one."""
    found, opened = None, list[int]()
    for match in _BRACES.finditer(text):
        if match.group() != "}":
            opened.append(match.end() if match.group() != "{" else -1)
        elif opened and (start := opened.pop()) >= 0 and text[start : match.start()].strip():
            found = text[start : match.start()].strip()
    return found


@lru_cache(maxsize=65536)
def canonical(answer: str | None) -> str:
    """One form for the many spellings of an answer; NO_ANSWER for an empty or absent one.

    Numbers become decimals without trailing zeros, or lowest fractions where the decimal does not
    end; currency, percent, thousands separators and unit words go. LaTeX is put in order by
    math-verify and SymPy where that takes under CPU_SECONDS; sums of numbers and words stay.
    """
    text = _clean(answer or "")
    return _number(text) or _symbolic(text) or text or NO_ANSWER


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
    return _comparable(a) and _comparable(b) and bool(_worker.ask("equal", a, b))


def value(answer: str) -> Fraction | None:
    """The number a canonical answer stands for, or None if it is none or has over 60 characters."""
    plain = re.fullmatch(r"-?[0-9]+(\.[0-9]+|/[0-9]+)?", answer)
    return Fraction(answer) if plain and len(answer) <= 60 else None


def _clean(text: str) -> str:
    """The text in one spelling; five times over, since one layer may hide another."""
    for _ in range(5):
        text = text.strip("* \n").rstrip(".,;: ")
        if text.startswith("$") and text.endswith("$"):
            text = text.strip("$")
        for pattern, replacement in _SPELLINGS:
            text = re.sub(pattern, replacement, text)
    return text.strip()


def _number(text: str) -> str | None:
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


def _comparable(text: str) -> bool:
    """Short and without words, which math-verify takes for products of letters."""
    bare = re.sub(r"\\(?:begin|end)\{[a-z]+\}|\\[a-zA-Z]+", " ", text)
    return len(text) <= LONGEST_PARSED and not re.search(r"[a-zA-Z]{2}", bare)


def _symbolic(text: str) -> str:
    """The ordered LaTeX of a LaTeX expression, empty where math-verify makes nothing of it."""
    latex = _comparable(text) and re.search(r"[\\^]", text)
    ordered = (_worker.ask("order", text) or "") if latex else ""
    return _number(ordered) or ordered


class _Worker:
    """math-verify in a process of its own, which the kernel ends when a request takes too long.

    Its own limits need the main thread and cannot stop one long multiplication. CPU time counts,
    so that a busy machine changes nothing.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Popen[str] | None = None

    def ask(self, *request: str) -> Any:
        """The answer to a request, None if there is none or none in time."""
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._process = _started()
            print(json.dumps(request), file=self._process.stdin, flush=True)
            line = _line(self._process)
            if not line:
                self._process.communicate()
        return json.loads(line) if line else None


_worker = _Worker()
os.register_at_fork(after_in_child=_worker.__init__)  # a fork must not share the pipes


def _line(process: Popen[str]) -> str:
    return process.stdout.readline() if process.stdout else ""


def _started() -> Popen[str]:
    command = [sys.executable, "-c", "from harness.answers import serve; serve()"]
    process = Popen(command, -1, None, PIPE, PIPE, DEVNULL, text=True, start_new_session=True)
    if not _line(process):
        raise RuntimeError("math-verify does not start; try: python -c 'import math_verify'")
    return process


def serve() -> None:
    """The loop of the process that answers: a request a line in, an answer a line out."""
    logging.disable()
    answers, sys.stdout = sys.stdout, sys.stderr  # the parser prints
    print(_parsed("1"), file=answers, flush=True)
    for line in sys.stdin:
        task, *texts = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # unhandled, it ends the process
        answer = _ordered(*texts) if task == "order" else _equal(*texts)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps(answer), file=answers, flush=True)


def _parsed(text: str) -> Any:
    """The SymPy expression of LaTeX text, or None; plain-text parsing would take a part for all."""
    from math_verify import LatexExtractionConfig, parse

    found = parse(f"${text}$", [LatexExtractionConfig()], "no_fallback", parsing_timeout=0)
    return found[0] if found else None


def _ordered(text: str) -> str | None:
    """Evaluated LaTeX, if it means the same and would not change a second time."""
    ordered = _evaluated(text)
    stable = ordered and _comparable(ordered) and _evaluated(ordered) == ordered
    return ordered if ordered and stable and _equal(text, ordered) else None


def _evaluated(text: str) -> str:
    from sympy import latex

    expression = _parsed(text)
    return "" if expression is None else _clean(latex(expression.doit()))


def _equal(a: str, b: str) -> bool:
    """In either order, since math-verify tells a gold answer from the other."""
    from math_verify import verify

    x, y = _parsed(a), _parsed(b)
    return any(verify(p, q, timeout_seconds=None) for p, q in ((x, y), (y, x)))
